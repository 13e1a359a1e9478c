import { fail } from '../../base/errors.ts'
import type { Emitter } from '../emitter.ts'
import type { Tensor } from '../graph.ts'
import type { Convolution } from '../node-semantics.ts'
import { zeroWhenEmpty } from './empty.ts'
import type { Window } from './window.ts'

/**
 * The gradients of a convolution in ops of the default domain. Letters: N images, C channels of x, O of y,
 * H W space of x, I J space of y, kernel U V.
 */
export interface ConvolutionGradient {
  readonly x: Pick<Tensor, 'shape' | 'label'>
  readonly weight: Tensor
  readonly dy: Tensor
  readonly window: Window
}

interface Sizes {
  /** Undefined if the number of images is known only when the graph runs. */
  readonly N: number | undefined
  readonly C: number
  readonly H: number
  readonly W: number
  readonly O: number
  readonly I: number
  readonly J: number
  readonly U: number
  readonly V: number
}

function sizesOf({ x, weight, dy }: ConvolutionGradient): Sizes {
  const known = (tensor: Pick<Tensor, 'shape' | 'label'>, axis: number): number => {
    const dim = tensor.shape[axis]
    if (typeof dim === 'number') return dim
    return fail({
      kind: 'usage',
      message: `the gradient of conv2d needs a known extent of axis ${axis}, but got "${String(dim)}"`,
      where: tensor.label,
      help: 'give channels and image size as numbers; only the number of images may be symbolic',
    })
  }
  const images = x.shape[0]
  return {
    N: typeof images === 'number' ? images : undefined,
    C: known(x, 1),
    H: known(x, 2),
    W: known(x, 3),
    O: known(weight, 0),
    I: known(dy, 2),
    J: known(dy, 3),
    U: known(weight, 2),
    V: known(weight, 3),
  }
}

/** The numbers of a window that is the same for rows and columns and on all sides; undefined for another. */
function evenly({
  stride,
  padding,
  dilation,
}: Window): { readonly stride: number; readonly padding: number; readonly dilation: number } | undefined {
  const isEven = [stride, padding, dilation].every(values => values.every(value => value === values[0]))
  return isEven ? { stride: stride[0], padding: padding[0], dilation: dilation[0] } : undefined
}

/**
 * dx. With stride 1 it is a convolution of dy with w flipped in space and its channels swapped, which the
 * engine runs faster than a transposed convolution; otherwise the latter.
 */
export function lowerInputGradient(
  emit: Emitter,
  dy: string,
  weight: string,
  conv: ConvolutionGradient,
): string {
  const { stride, padding, dilation, groups } = conv.window
  const { N, C, H, W, O, I, J, U, V } = sizesOf(conv)
  const [down, across] = [dilation[0] * (U - 1), dilation[1] * (V - 1)]
  const [top, left, bottom, right] = padding
  const isInside = Math.max(top, bottom) <= down && Math.max(left, right) <= across
  if (stride[0] === 1 && stride[1] === 1 && groups === 1 && isInside) {
    const swapped = emit.node('Transpose', [flipped(emit, weight, conv)], { perm: [1, 0, 2, 3] })
    const dx = emit.node('Conv', [dy, swapped], {
      kernel_shape: [U, V],
      pads: [down - top, across - left, down - bottom, across - right],
      dilations: dilation,
    })
    emit.annotate(dx, {
      kind: 'convolution',
      channels: { inputs: O, outputs: C },
      extents: { images: N, height: I, width: J },
      rotatedFrom: weight,
    })
    return dx
  }
  const attributes = {
    kernel_shape: [U, V],
    strides: stride,
    pads: padding,
    dilations: dilation,
    output_padding: [
      H - ((I - 1) * stride[0] + down + 1 - top - bottom),
      W - ((J - 1) * stride[1] + across + 1 - left - right),
    ],
    group: groups,
  }
  const dx = emit.node('ConvTranspose', [dy, weight], attributes)
  const of = convolutionOf(conv)
  if (of !== undefined) emit.annotate(dx, { kind: 'inputGradient', of })
  return dx
}

/** The same as {@link NodeSemantics}, which covers no groups, no dilation and equal sides. */
function convolutionOf(conv: ConvolutionGradient): Convolution | undefined {
  const { N, C, H, W, O, I, J, U, V } = sizesOf(conv)
  const even = evenly(conv.window)
  if (even === undefined || even.dilation !== 1 || conv.window.groups !== 1) return undefined
  return {
    images: N,
    channels: { inputs: C, outputs: O },
    from: [H, W],
    to: [I, J],
    kernel: [U, V],
    stride: even.stride,
    padding: even.padding,
  }
}

/** The kernel rotated by 180° in space. */
function flipped(emit: Emitter, weight: string, conv: ConvolutionGradient): string {
  const { U, V } = sizesOf(conv)
  if (U === 1 && V === 1) return weight
  const lowest = -(2 ** 31)
  return emit.node('Slice', [
    weight,
    emit.ints(-1, -1),
    emit.ints(lowest, lowest),
    emit.ints(2, 3),
    emit.ints(-1, -1),
  ])
}

/** dw in standard ops, in the cheapest way for its shape. */
export function lowerWeightGradient(emit: Emitter, dy: string, x: string, conv: ConvolutionGradient): string {
  const { C, H, W, O, U, V } = sizesOf(conv)
  if (conv.window.groups > 1) return weightGradientByGroups(emit, dy, x, conv)
  const of = convolutionOf(conv)
  const same = U === 3 && V === 3 && of?.stride === 1 && of.padding === 1
  const byShifts = same && 9 * O * C <= 3 * (O + C) * H * W
  const gradient = (byShifts ? weightGradientByShifts : weightGradientByWindows)(emit, dy, x, conv)
  if (of !== undefined) emit.annotate(gradient, { kind: 'kernelGradient', of, x, dy })
  return gradient
}

/**
 * One matrix product for all taps and images: dy as [O, N·I·J] times the window of x at each position of y, [N·I·J, U·V·C].
 * With the channels last, what a tap reads is one run of C numbers, so all windows are gathered by one index table; beyond the
 * edge from a row of zeros.
 */
function weightGradientByWindows(emit: Emitter, dy: string, x: string, conv: ConvolutionGradient): string {
  const { C, O, H, W, U, V } = sizesOf(conv)
  const rows = emit.node('Reshape', [channelsFirst(emit, dy), emit.ints(O, -1)])
  const positions = emit.node('Reshape', [
    emit.node('Transpose', [x], { perm: [0, 2, 3, 1] }),
    emit.ints(0, H * W, C),
  ])
  const seen = windowPositions(conv)
  const withEdge = seen.includes(H * W)
    ? emit.node('Pad', [positions, emit.ints(0, 0, 0, 0, 1, 0)])
    : positions
  const isIdentity = seen.length === H * W && seen.every((position, i) => position === i)
  const windows = isIdentity
    ? withEdge
    : emit.node('Gather', [withEdge, emit.constant('int64', [seen.length], seen)], { axis: 1 })
  const columns = emit.node('Reshape', [windows, emit.ints(-1, U * V * C)])
  const product = emit.node('Gemm', [rows, columns])
  const taps = emit.node('Reshape', [product, emit.ints(O, U, V, C)])
  return emit.node('Transpose', [taps], { perm: [0, 3, 1, 2] })
}

/** [N, C, H, W] → [C, N, H, W]. */
function channelsFirst(emit: Emitter, x: string): string {
  return emit.node('Transpose', [x], { perm: [1, 0, 2, 3] })
}

/** For each (i, j, u, v), the position h·W + k of x that y[i, j] saw by tap (u, v); H·W where that is beyond the edge. */
function windowPositions(conv: ConvolutionGradient): number[] {
  const { stride, padding, dilation } = conv.window
  const { I, J, U, V, H, W } = sizesOf(conv)
  const positions: number[] = []
  for (let i = 0; i < I; i++) {
    for (let j = 0; j < J; j++) {
      for (let u = 0; u < U; u++) {
        for (let v = 0; v < V; v++) {
          const h = i * stride[0] - padding[0] + u * dilation[0]
          const k = j * stride[1] - padding[1] + v * dilation[1]
          positions.push(h >= 0 && h < H && k >= 0 && k < W ? h * W + k : H * W)
        }
      }
    }
  }
  return positions
}

/**
 * The same sum from three copies of x and three of dy instead of nine of x, for 3×3 kernels with stride 1 and padding 1.
 * Shifting the sum over rows by u − 1,
 *
 *     dw[o, c, u, v] = Σ_{n, h, k} dy[n, o, h − u + 1, k] · x[n, c, h, k + v − 1],
 *
 * so three copies of dy shifted in H and three of x shifted in W (zeros beyond the edge) give all nine taps as
 * the blocks of one product [3·O, H·W] · [H·W, 3·C] an image. No axis has to move for that; it is worthwhile as long as the
 * products, 9·O·C numbers an image, are no more than the copies.
 */
function weightGradientByShifts(emit: Emitter, dy: string, x: string, conv: ConvolutionGradient): string {
  const { C, O, H, W } = sizesOf(conv)
  const shifted = (source: string, axis: 2 | 3, rows: number, order: readonly [number, number]): string => {
    const shift = (by: number): string => {
      const amounts = [0, 0, 0, 0, 0, 0, 0, 0]
      amounts[axis] = by
      amounts[axis + 4] = -by
      return emit.node('Pad', [source, emit.ints(...amounts)])
    }
    const copies = emit.node('Concat', [shift(order[0]), source, shift(order[1])], { axis: 1 })
    return emit.node('Reshape', [copies, emit.ints(0, 3 * rows, H * W)])
  }
  const right = emit.node('Transpose', [shifted(x, 3, C, [1, -1])], { perm: [0, 2, 1] })
  const products = emit.node('MatMul', [shifted(dy, 2, O, [-1, 1]), right])
  const product = emit.node('ReduceSum', [products, emit.ints(0)], { keepdims: 0 })
  const taps = emit.node('Reshape', [product, emit.ints(3, O, 3, C)])
  return emit.node('Transpose', [taps], { perm: [1, 3, 0, 2] })
}

/** One stack of products, a matrix a group: dy as [G, O/G, N·I·J] times the windows as [G, N·I·J, U·V·C/G]. */
function weightGradientByGroups(emit: Emitter, dy: string, x: string, conv: ConvolutionGradient): string {
  const { groups } = conv.window
  const { C, O, U, V } = sizesOf(conv)
  const [perGroup, outputs] = [C / groups, O / groups]
  const rows = emit.node('Reshape', [channelsFirst(emit, dy), emit.ints(groups, outputs, -1)])
  const windows = tapWindows(emit, channelsFirst(emit, x), conv).map(name =>
    emit.node('Reshape', [name, emit.ints(groups, perGroup, -1)]),
  )
  const stacked = windows.length === 1 ? windows[0]! : emit.node('Concat', windows, { axis: 1 })
  const columns = emit.node('Transpose', [stacked], { perm: [0, 2, 1] })
  const summed = emit.node('MatMul', [rows, columns])
  const product = sizesOf(conv).N === undefined ? zeroWhenEmpty(emit, summed, dy) : summed
  const taps = emit.node('Reshape', [product, emit.ints(O, U, V, perGroup)])
  return emit.node('Transpose', [taps], { perm: [0, 3, 1, 2] })
}

/** For each tap (u, v), the part of x (padded) that it reads: [..., I, J]. */
function tapWindows(emit: Emitter, x: string, conv: ConvolutionGradient): string[] {
  const { stride, padding, dilation } = conv.window
  const { I, J, U, V } = sizesOf(conv)
  const [top, left, bottom, right] = padding
  const padded = padding.every(side => side === 0)
    ? x
    : emit.node('Pad', [x, emit.ints(0, 0, top, left, 0, 0, bottom, right)])
  const windows: string[] = []
  for (let u = 0; u < U; u++) {
    for (let v = 0; v < V; v++) {
      const [row, column] = [u * dilation[0], v * dilation[1]]
      windows.push(
        emit.node('Slice', [
          padded,
          emit.ints(row, column),
          emit.ints(row + (I - 1) * stride[0] + 1, column + (J - 1) * stride[1] + 1),
          emit.ints(2, 3),
          emit.ints(stride[0], stride[1]),
        ]),
      )
    }
  }
  return windows
}
