import { type Dim, dimProduct, dimWindow, showShape } from '../dims.ts'
import { apply, applyAll, shapeError, type Tensor } from '../graph.ts'
import { zeros } from '../ndarray.ts'
import { mean } from './reduce.ts'
import { reshape, reshapeLike } from './shape.ts'

/** Of a square window, in pixels. */
export interface PoolOptions {
  readonly kernel: number
  /** Default: the kernel size, so that windows do not overlap. */
  readonly stride?: number
  readonly padding?: number
}

interface PoolWindow {
  readonly kernel: number
  readonly stride: number
  readonly padding: number
}

function windowOf(
  op: string,
  x: Tensor,
  options: PoolOptions,
): PoolWindow & { readonly shape: readonly Dim[] } {
  const { kernel, stride = kernel, padding = 0 } = options
  const [rows, columns] = [2, 3].map(axis => dimWindow(x.shape[axis] ?? 0, 2 * padding, kernel, stride))
  if (
    x.rank !== 4 ||
    x.dtype !== 'float32' ||
    padding * 2 > kernel ||
    Number(rows) < 1 ||
    Number(columns) < 1
  ) {
    return shapeError(
      op,
      `x [N, C, H, W] not smaller than the window, padding ≤ kernel / 2 (kernel ${kernel})`,
      [x],
    )
  }
  return { kernel, stride, padding, shape: [x.shape[0]!, x.shape[1]!, rows!, columns!] }
}

function poolAttributes({ kernel, stride, padding }: PoolWindow): Record<string, readonly number[]> {
  return {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  }
}

/** Visits the positions of x in each window of each plane; padding is skipped. */
function forEachWindow(
  x: readonly number[],
  y: readonly number[],
  { kernel, stride, padding }: PoolWindow,
  visit: (yAt: number, xPositions: readonly number[]) => void,
): void {
  const [height, width, rows, columns] = [x[2]!, x[3]!, y[2]!, y[3]!]
  for (let plane = 0; plane < x[0]! * x[1]!; plane++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const positions: number[] = []
        for (let h = i * stride - padding; h < i * stride - padding + kernel; h++) {
          for (let k = j * stride - padding; k < j * stride - padding + kernel; k++) {
            if (h >= 0 && h < height && k >= 0 && k < width) positions.push((plane * height + h) * width + k)
          }
        }
        visit((plane * rows + i) * columns + j, positions)
      }
    }
  }
}

/**
 * Maximum of each window. The engine returns its position (in the whole of x), and the
 * gradient is added there; at a tie the first in row-major order is used.
 *
 * @throws MoietyError (usage) unless x is float32 [N, C, H, W] and not smaller than the window
 */
export function maxPool(x: Tensor, options: PoolOptions): Tensor {
  const { shape, ...window } = windowOf('maxPool', x, options)
  const [values] = applyAll({
    name: 'maxPool',
    inputs: [x],
    outputs: [
      { dtype: 'float32', shape },
      { dtype: 'int64', shape },
    ],
    attributes: { ...window },
    gradient: ([dy], outputs) => [dy && scatterFlat(outputs[1]!, dy, x)],
    lower: (emit, names) => emit.nodes('MaxPool', names, poolAttributes(window), 2),
    evaluate: ([value]) => {
      const target = concrete(shape, value!.shape)
      const [best, at] = [zeros(target), zeros(target)]
      forEachWindow(value!.shape, target, window, (yAt, positions) => {
        const winner = positions.reduce((a, b) => (value!.data[b]! > value!.data[a]! ? b : a))
        best.data[yAt] = value!.data[winner]!
        at.data[yAt] = winner
      })
      return [best, at]
    },
    choice: {
      output: 1,
      of: value => value,
      follow: ([value], given) => [
        { shape: given.shape, data: given.data.map(position => value!.data[position]!) },
        given,
      ],
      margin: ([value], given, at) => {
        let largest = Number.NEGATIVE_INFINITY
        forEachWindow(value!.shape, given.shape, window, (yAt, positions) => {
          if (yAt === at) largest = Math.max(...positions.map(position => value!.data[position]!))
        })
        return largest - value!.data[given.data[at]!]!
      },
    },
  })
  return values!
}

/** Zeros of the shape of x, to whose element number `positions[i]` the i-th value is added. */
function scatterFlat(positions: Tensor, values: Tensor, x: Tensor): Tensor {
  return apply({
    name: 'scatterFlat',
    inputs: [positions, values, x],
    outputs: [x],
    lower: (emit, [at, from, like]) => {
      const field = emit.node('Expand', [
        emit.float(0),
        emit.node('Reshape', [emit.node('Size', [like!]), emit.ints(1)]),
      ])
      const flat = (name: string): string => emit.node('Reshape', [name, emit.ints(-1)])
      const filled = emit.node('ScatterElements', [field, flat(at!), flat(from!)], {
        axis: 0,
        reduction: 'add',
      })
      return [emit.node('Reshape', [filled, emit.node('Shape', [like!])])]
    },
    evaluate: ([at, from, like]) => {
      const result = zeros(like!.shape)
      for (const [i, position] of at!.data.entries()) result.data[position]! += from!.data[i]!
      return [result]
    },
  })
}

/**
 * Mean of each window, zeros of the padding counted (torch's default); every value gets 1/kernel² of dy.
 *
 * @throws MoietyError (usage) unless x is float32 [N, C, H, W] and not smaller than the window
 */
export function averagePool(x: Tensor, options: PoolOptions): Tensor {
  const { shape, ...window } = windowOf('averagePool', x, options)
  return apply({
    name: 'averagePool',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape }],
    attributes: { ...window },
    gradient: ([dy]) => [averagePoolGradient(dy!, x, window)],
    lower: (emit, names) => [
      emit.node('AveragePool', names, { ...poolAttributes(window), count_include_pad: 1 }),
    ],
    evaluate: ([value]) => {
      const result = zeros(concrete(shape, value!.shape))
      forEachWindow(value!.shape, result.shape, window, (yAt, positions) => {
        result.data[yAt] = positions.reduce((total, at) => total + value!.data[at]!, 0) / window.kernel ** 2
      })
      return [result]
    },
  })
}

/** A transposed convolution of each plane with a kernel that is 1/kernel² everywhere. */
function averagePoolGradient(dy: Tensor, x: Tensor, window: PoolWindow): Tensor {
  const { kernel, stride, padding } = window
  const [height, width] = [x.shape[2], x.shape[3]]
  if (typeof height !== 'number' || typeof width !== 'number') {
    return shapeError(
      'the gradient of averagePool',
      `a known image size (got ${showShape([height!, width!])})`,
      [x],
    )
  }
  const rest = (extent: number, windows: Dim): number =>
    extent - ((Number(windows) - 1) * stride + kernel - 2 * padding)
  const planes = reshape(dy, [dimProduct([dy.shape[0]!, dy.shape[1]!]), 1, dy.shape[2]!, dy.shape[3]!])
  const spreadOut = apply({
    name: 'averagePoolGradient',
    inputs: [planes],
    outputs: [{ dtype: 'float32', shape: [planes.shape[0]!, 1, height, width] }],
    attributes: { ...window, height, width },
    lower: (emit, [name]) => {
      const weight = emit.constant(
        'float32',
        [1, 1, kernel, kernel],
        new Array<number>(kernel ** 2).fill(1 / kernel ** 2),
      )
      return [
        emit.node('ConvTranspose', [name!, weight], {
          ...poolAttributes(window),
          output_padding: [rest(height, dy.shape[2]!), rest(width, dy.shape[3]!)],
        }),
      ]
    },
    evaluate: ([value]) => {
      const result = zeros([value!.shape[0]!, 1, height, width])
      forEachWindow(result.shape, value!.shape, window, (yAt, positions) => {
        for (const at of positions) result.data[at]! += value!.data[yAt]! / kernel ** 2
      })
      return [result]
    },
  })
  return reshapeLike(spreadOut, x)
}

/**
 * Mean over space: [N, C, H, W] → [N, C].
 *
 * @throws MoietyError (usage) for another rank than 4
 */
export function globalAveragePool(x: Tensor): Tensor {
  if (x.rank !== 4) return shapeError('globalAveragePool', 'x [N, C, H, W]', [x])
  return mean(x, [2, 3])
}

/** The result's shape in numbers: only the number of images can be symbolic here. */
function concrete(shape: readonly Dim[], x: readonly number[]): number[] {
  return shape.map((dim, axis) => (typeof dim === 'number' ? dim : x[axis]!))
}
