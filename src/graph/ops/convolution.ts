import { type Dim, dimWindow, type Shape, showShape } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { type NdArray, zeros } from '../ndarray.ts'
import { sum } from './broadcast.ts'
import { lowerInputGradient, lowerWeightGradient } from './convolution-lowering.ts'
import { add } from './elementwise.ts'
import { reshape } from './shape.ts'
import { type Pair, pairOf, type Sides, sidesOf, type Window } from './window.ts'

/**
 * Two-dimensional convolution (cross-correlation, as in every framework):
 *
 *     y[n, o, i, j] = Σ_{c, u, v} x[n, c, i·s − p + u·d, j·s − p + v·d] · w[o, c, u, v]
 *
 * Everything is linear in x and in w, so both gradients follow from that sum. Each product x·w that went into
 * y[n, o, i, j] sends dy[n, o, i, j]·w back to its x, and dy[n, o, i, j]·x back to its w:
 *
 *     dx[n, c, h, k] = Σ over (o, u, v, i, j) with i·s − p + u·d = h, j·s − p + v·d = k of dy[n, o, i, j] · w[o, c, u, v]
 *     dw[o, c, u, v] = Σ_{n, i, j} dy[n, o, i, j] · x[n, c, i·s − p + u·d, j·s − p + v·d]
 *
 * dx is dy spread by the stride and convolved with w flipped in space and with its channels swapped; dw is one
 * matrix product a tap (u, v): dy as [O, N·I·J] times the window of x read by that tap as [N·I·J, C].
 * With groups, all of this holds within each group of channels. Stride s, padding p and dilation d may differ between rows and
 * columns, and p between the sides.
 *
 * y, dx and dw are the three ways to contract one trilinear form Σ x·w·dy, so each is linear in its two operands, and the
 * gradients of dx and dw are convolutions and such gradients again. dx is also known as a transposed convolution.
 */
export interface ConvolutionOptions {
  /** One number for both axes, or [rows, columns]. */
  readonly stride?: number | Pair
  /** Zeros on every side; or above and below, left and right; or above, left, below, right. */
  readonly padding?: number | Pair | Sides
  /** Distance of the taps: one number for both axes, or [rows, columns]. */
  readonly dilation?: number | Pair
  /** Channels are split into this many independent groups. */
  readonly groups?: number
  /** [O], added to every position. */
  readonly bias?: Tensor
}

function windowOf(op: string, inputs: readonly Tensor[], options: ConvolutionOptions): Window {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options
  const window: Window = {
    stride: pairOf(stride),
    padding: sidesOf(padding),
    dilation: pairOf(dilation),
    groups,
  }
  const isWhole = (from: number) => (value: number) => Number.isInteger(value) && value >= from
  const fits =
    [...window.stride, ...window.dilation, groups].every(isWhole(1)) && window.padding.every(isWhole(0))
  if (!fits)
    shapeError(
      `${op} with ${JSON.stringify({ stride, padding, dilation, groups })}`,
      'whole numbers: strides, dilations and groups from 1, padding from 0',
      inputs,
    )
  return window
}

/** Extent of the result along rows (axis 0) or columns: a window of this kernel slid over the padded extent. */
function slid(extent: Dim, kernel: number, { stride, padding, dilation }: Window, axis: 0 | 1): Dim {
  const padded = padding[axis] + padding[axis + 2]!
  return dimWindow(extent, padded, dilation[axis] * (kernel - 1) + 1, stride[axis])
}

/**
 * Convolution of x [N, C, H, W] with w [O, C / groups, kH, kW].
 *
 * @returns y [N, O, H', W'] with H' = ⌊(H + top + bottom − dilation·(kH − 1) − 1) / stride⌋ + 1, W' likewise
 * @throws MoietyError (usage) when shapes or options do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor {
  const window = windowOf('conv2d', [x, weight], options)
  const { groups } = window
  const [outputs, channels, height, width] = weight.shape
  const fits =
    x.rank === 4 &&
    [outputs, channels, height, width].every(dim => typeof dim === 'number') &&
    x.shape[1] === Number(channels) * groups &&
    Number(outputs) % groups === 0
  if (!fits) {
    return shapeError(`conv2d with ${groups} group(s)`, 'x [N, C, H, W] and weight [O, C / groups, kH, kW]', [
      x,
      weight,
    ])
  }
  const rows = slid(x.shape[2]!, Number(height), window, 0)
  const columns = slid(x.shape[3]!, Number(width), window, 1)
  if ((typeof rows === 'number' && rows < 1) || (typeof columns === 'number' && columns < 1)) {
    return shapeError(
      'conv2d',
      `an image at least as large as the kernel (result ${showShape([rows, columns])})`,
      [x, weight],
    )
  }
  return convolve(x, weight, window, [x.shape[0]!, outputs!, rows, columns], options.bias)
}

function convolve(x: Tensor, weight: Tensor, window: Window, shape: Shape, bias?: Tensor): Tensor {
  const { stride, padding, dilation, groups } = window
  const [outputs, channels, height, width] = weight.shape.map(Number) as [number, number, number, number]
  return apply({
    name: 'conv2d',
    inputs: bias === undefined ? [x, weight] : [x, weight, bias],
    outputs: [{ dtype: 'float32', shape }],
    attributes: { ...window },
    gradient: ([dy]) => [
      convInputGradient(dy!, weight, x, window),
      convWeightGradient(dy!, x, weight, window),
      ...(bias === undefined ? [] : [sum(dy!, [0, 2, 3])]),
    ],
    lower: (emit, names) => {
      const y = emit.node('Conv', names, {
        kernel_shape: [height, width],
        strides: stride,
        pads: padding,
        dilations: dilation,
        group: groups,
      })
      if (groups === 1) {
        const [images, , ...extents] = x.shape
        const [rows, columns] = extents
        const known = typeof rows === 'number' && typeof columns === 'number'
        const count = typeof images === 'number' ? images : undefined
        emit.annotate(y, {
          kind: 'convolution',
          channels: { inputs: channels, outputs },
          ...(known ? { extents: { images: count, height: rows, width: columns } } : {}),
        })
      }
      return [y]
    },
    evaluate: ([image, kernel, shift]) => {
      const [rows, columns] = ([0, 1] as const).map(axis =>
        Number(slid(image!.shape[2 + axis]!, kernel!.shape[2 + axis]!, window, axis)),
      )
      const result = zeros([image!.shape[0]!, kernel!.shape[0]!, rows!, columns!])
      forEachTap(image!.shape, kernel!.shape, result.shape, window, (xAt, wAt, yAt) => {
        result.data[yAt]! += image!.data[xAt]! * kernel!.data[wAt]!
      })
      if (shift !== undefined) {
        const area = rows! * columns!
        for (let i = 0; i < result.data.length; i++) {
          result.data[i]! += shift.data[Math.floor(i / area) % kernel!.shape[0]!]!
        }
      }
      return [result]
    },
  })
}

/** Of a transposed convolution. */
export interface TransposedOptions extends ConvolutionOptions {
  /** Additional rows and columns of the result, which select among the extents that a convolution of this stride maps to x's. */
  readonly outputPadding?: number | Pair
}

/**
 * Transposed convolution, torch's ConvTranspose2d: spreads each number of x [N, C, H, W] over a window of the result by
 * w [C, O / groups, kH, kW], and adds where windows overlap. It is the gradient of a convolution with that kernel with respect to
 * what it reads.
 *
 * @returns y [N, O, H', W'] with H' = (H − 1)·stride − top − bottom + dilation·(kH − 1) + 1 + outputPadding, W' likewise
 * @throws MoietyError (usage) when shapes or options do not fit, or for an image of unknown extents
 */
export function convTranspose2d(x: Tensor, weight: Tensor, options: TransposedOptions = {}): Tensor {
  const window = windowOf('convTranspose2d', [x, weight], options)
  const { stride, padding, dilation, groups } = window
  const more = pairOf(options.outputPadding ?? 0)
  const [channels, perGroup, height, width] = weight.shape
  const known = [channels, perGroup, height, width, x.shape[2], x.shape[3]].every(
    dim => typeof dim === 'number',
  )
  if (x.rank !== 4 || !known || x.shape[1] !== channels || Number(channels) % groups !== 0) {
    return shapeError(
      `convTranspose2d with ${groups} group(s)`,
      'x [N, C, H, W] of known extents and weight [C, O / groups, kH, kW]',
      [x, weight],
    )
  }
  const [rows, columns] = ([0, 1] as const).map(
    axis =>
      (Number(x.shape[2 + axis]) - 1) * stride[axis] -
      padding[axis] -
      padding[axis + 2]! +
      dilation[axis] * (Number(weight.shape[2 + axis]) - 1) +
      1 +
      more[axis],
  ) as [number, number]
  const isLeast = more.every(
    (value, axis) =>
      Number.isInteger(value) && value >= 0 && value < Math.max(stride[axis]!, dilation[axis]!),
  )
  if (!isLeast || rows < 1 || columns < 1) {
    return shapeError(
      `convTranspose2d with ${JSON.stringify(options.outputPadding ?? 0)} as outputPadding`,
      `a result of at least one pixel (got ${showShape([rows, columns])}) and an outputPadding below stride or dilation`,
      [x, weight],
    )
  }
  const read = { shape: [x.shape[0]!, Number(perGroup) * groups, rows, columns], label: x.label }
  const y = convInputGradient(x, weight, read, window)
  const { bias } = options
  return bias === undefined ? y : add(y, reshape(bias, [bias.shape[0]!, 1, 1]))
}

/** The inputs of a convolution that its gradients need. */
type Read = Pick<Tensor, 'shape' | 'label'>

/** dx of a convolution: what each product sent back to its x. */
function convInputGradient(dy: Tensor, weight: Tensor, x: Read, window: Window): Tensor {
  return apply({
    name: 'convInputGradient',
    inputs: [dy, weight],
    outputs: [{ dtype: 'float32', shape: x.shape }],
    attributes: { ...window, shape: x.shape },
    gradient: ([upstream]) => [
      convolve(upstream!, weight, window, dy.shape),
      convWeightGradient(dy, upstream!, weight, window),
    ],
    lower: (emit, [gradient, kernel]) => [
      lowerInputGradient(emit, gradient!, kernel!, { x, weight, dy, window }),
    ],
    evaluate: ([gradient, kernel]) => {
      const [height, width] = [x.shape[2], x.shape[3]].map(Number)
      const result = zeros([gradient!.shape[0]!, kernel!.shape[1]! * window.groups, height!, width!])
      forEachTap(result.shape, kernel!.shape, gradient!.shape, window, (xAt, wAt, yAt) => {
        result.data[xAt]! += gradient!.data[yAt]! * kernel!.data[wAt]!
      })
      return [result]
    },
  })
}

/** dw of a convolution: what each product sent back to its w. Only the shape of `weight` is used. */
function convWeightGradient(dy: Tensor, x: Tensor, weight: Tensor, window: Window): Tensor {
  return apply({
    name: 'convWeightGradient',
    inputs: [dy, x],
    outputs: [weight],
    attributes: { ...window, shape: weight.shape },
    gradient: ([upstream]) => [
      convolve(x, upstream!, window, dy.shape),
      convInputGradient(dy, upstream!, x, window),
    ],
    lower: (emit, [gradient, image]) => [
      lowerWeightGradient(emit, gradient!, image!, { x, weight, dy, window }),
    ],
    evaluate: ([gradient, image]) => {
      const result = zeros(weight.shape.map(Number))
      forEachTap(image!.shape, result.shape, gradient!.shape, window, (xAt, wAt, yAt) => {
        result.data[wAt]! += gradient!.data[yAt]! * image!.data[xAt]!
      })
      return [result]
    },
  })
}

/** Visits every product x·w of the defining sum with the positions of x, w and y in their data. */
function forEachTap(
  x: NdArray['shape'],
  w: NdArray['shape'],
  y: NdArray['shape'],
  { stride, padding, dilation, groups }: Window,
  visit: (xAt: number, wAt: number, yAt: number) => void,
): void {
  const [images, channels, height, width] = [x[0]!, x[1]!, x[2]!, x[3]!]
  const [outputs, perGroup, kernelHeight, kernelWidth] = [w[0]!, w[1]!, w[2]!, w[3]!]
  const [rows, columns] = [y[2]!, y[3]!]
  for (let n = 0; n < images; n++) {
    for (let o = 0; o < outputs; o++) {
      const firstChannel = Math.floor(o / (outputs / groups)) * perGroup
      for (let c = 0; c < perGroup; c++) {
        for (let u = 0; u < kernelHeight; u++) {
          for (let v = 0; v < kernelWidth; v++) {
            const wAt = ((o * perGroup + c) * kernelHeight + u) * kernelWidth + v
            for (let i = 0; i < rows; i++) {
              const h = i * stride[0] - padding[0] + u * dilation[0]
              if (h < 0 || h >= height) continue
              for (let j = 0; j < columns; j++) {
                const k = j * stride[1] - padding[1] + v * dilation[1]
                if (k < 0 || k >= width) continue
                const xAt = ((n * channels + firstChannel + c) * height + h) * width + k
                visit(xAt, wAt, ((n * outputs + o) * rows + i) * columns + j)
              }
            }
          }
        }
      }
    }
  }
}
