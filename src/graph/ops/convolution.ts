import { dimWindow, showShape } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { type NdArray, zeros } from '../ndarray.ts'
import { lowerInputGradient, lowerWeightGradient } from './convolution-lowering.ts'
import { sum } from './reduce.ts'

/**
 * Two-dimensional convolution (cross-correlation, as every framework has it):
 *
 *     y[n, o, i, j] = Σ_{c, u, v} x[n, c, i·s − p + u·d, j·s − p + v·d] · w[o, c, u, v]
 *
 * Everything is linear in x and in w, so both gradients are read off that sum. Each product x·w that went into
 * y[n, o, i, j] sends dy[n, o, i, j]·w back to its x, and dy[n, o, i, j]·x back to its w:
 *
 *     dx[n, c, h, k] = Σ over (o, u, v, i, j) with i·s − p + u·d = h, j·s − p + v·d = k of dy[n, o, i, j] · w[o, c, u, v]
 *     dw[o, c, u, v] = Σ_{n, i, j} dy[n, o, i, j] · x[n, c, i·s − p + u·d, j·s − p + v·d]
 *
 * dx is dy spread by the stride and convolved with w flipped in space and with its channels swapped; dw is one
 * matrix product a tap (u, v): dy as [O, N·I·J] times the window of x seen by that tap as [N·I·J, C].
 * With groups, all of this holds within each group of channels.
 */
export interface ConvolutionOptions {
  readonly stride?: number
  /** Zeros on every side. */
  readonly padding?: number
  readonly dilation?: number
  /** Channels are split into this many groups that do not see each other. */
  readonly groups?: number
  /** [O], added to every position. */
  readonly bias?: Tensor
}

/** The numbers of a convolution that its gradients need too. */
export interface Window {
  readonly stride: number
  readonly padding: number
  readonly dilation: number
  readonly groups: number
}

/**
 * Convolution of x [N, C, H, W] with w [O, C / groups, kH, kW].
 *
 * @returns y [N, O, H', W'] with H' = ⌊(H + 2·padding − dilation·(kH − 1) − 1) / stride⌋ + 1
 * @throws MoietyError (usage) when shapes do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor {
  const { bias, stride = 1, padding = 0, dilation = 1, groups = 1 } = options
  const window: Window = { stride, padding, dilation, groups }
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
  const extent = (axis: number): number | string =>
    dimWindow(x.shape[axis]!, padding, dilation * (Number(weight.shape[axis]) - 1) + 1, stride)
  const [rows, columns] = [extent(2), extent(3)]
  if ((typeof rows === 'number' && rows < 1) || (typeof columns === 'number' && columns < 1)) {
    return shapeError(
      'conv2d',
      `an image at least as large as the kernel (result ${showShape([rows, columns])})`,
      [x, weight],
    )
  }
  return apply({
    name: 'conv2d',
    inputs: bias === undefined ? [x, weight] : [x, weight, bias],
    outputs: [{ dtype: 'float32', shape: [x.shape[0]!, outputs!, rows, columns] }],
    attributes: { ...window },
    gradient: ([dy]) => [
      convInputGradient(dy!, weight, x, window),
      convWeightGradient(dy!, x, weight, window),
      ...(bias === undefined ? [] : [sum(dy!, [0, 2, 3])]),
    ],
    lower: (emit, names) => {
      const attributes = {
        kernel_shape: [Number(height), Number(width)],
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
        dilations: [dilation, dilation],
        group: groups,
      }
      const y = emit.node('Conv', names, attributes)
      if (groups === 1) {
        const [images, , ...extents] = x.shape
        const [rows, columns] = extents
        const known = typeof rows === 'number' && typeof columns === 'number'
        const count = typeof images === 'number' ? images : undefined
        emit.means(y, {
          kind: 'convolution',
          channels: { inputs: Number(channels), outputs: Number(outputs) },
          ...(known ? { extents: { images: count, height: rows, width: columns } } : {}),
        })
      }
      return [y]
    },
    evaluate: ([image, kernel, shift]) => {
      const taps = { ...window, x: image!, w: kernel!, rows: 0, columns: 0 }
      taps.rows = Number(dimWindow(image!.shape[2]!, padding, dilation * (kernel!.shape[2]! - 1) + 1, stride))
      taps.columns = Number(
        dimWindow(image!.shape[3]!, padding, dilation * (kernel!.shape[3]! - 1) + 1, stride),
      )
      const result = zeros([image!.shape[0]!, kernel!.shape[0]!, taps.rows, taps.columns])
      forEachTap(image!.shape, kernel!.shape, result.shape, window, (xAt, wAt, yAt) => {
        result.data[yAt]! += image!.data[xAt]! * kernel!.data[wAt]!
      })
      if (shift !== undefined) {
        const area = taps.rows * taps.columns
        for (let i = 0; i < result.data.length; i++) {
          result.data[i]! += shift.data[Math.floor(i / area) % kernel!.shape[0]!]!
        }
      }
      return [result]
    },
  })
}

/** dx of a convolution: what each product sent back to its x. Only the shape of `x` is used. */
function convInputGradient(dy: Tensor, weight: Tensor, x: Tensor, window: Window): Tensor {
  return apply({
    name: 'convInputGradient',
    inputs: [dy, weight],
    outputs: [x],
    attributes: { ...window, shape: x.shape },
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
              const h = i * stride - padding + u * dilation
              if (h < 0 || h >= height) continue
              for (let j = 0; j < columns; j++) {
                const k = j * stride - padding + v * dilation
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
