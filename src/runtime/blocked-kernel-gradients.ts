import type { Convolution, KernelGradientSemantics } from '../graph/node-semantics.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { type Images, wholeBlocksOfImages, withEdge } from './blocked-images.ts'
import { outerSwapped } from './blocked-kernels.ts'
import { type Blocking, lackingToFours, roundedUp } from './blocking.ts'

/**
 * The gradient of a convolution with respect to its kernel,
 *
 *     dw[o, c, u, v] = Σ_{n, i, j} dy[n, o, i, j] · x[n, c, s·i + u − p, s·j + v − p],
 *
 * is a convolution of x with dy as its kernel, in which images take the place of channels and (u, v) that of positions. The
 * engine's convolutions on blocks are fast where a row of their result is long, and (u, v) is three by three. So the channels of
 * x are laid into its rows: with the channels last, x[n, c, h, k] is number k·C + c of a row, and a kernel whose taps lie s·C
 * apart, begun at v·C + c, meets x[n, c, h, s·j + v] at its tap j. A row of the result then has all V·C numbers of the taps
 * (u, ·), and nothing is copied nine times.
 *
 *     x  → channels last → columns of zeros → [1, N, H, W·C] in blocks of images ─┐
 *     dy → in blocks of channels → images before them: kernel [O, N, I, J] ───────┴→ Conv on blocks → [1, O, U, V·C] → dw
 */
export function blockedKernelGradient(
  emit: Blocking,
  node: OnnxNode,
  semantics: KernelGradientSemantics,
): void {
  const { of } = semantics
  const [O, C] = [of.channels.outputs, of.channels.inputs]
  const [U, V] = of.kernel
  const images = wholeBlocksOfImages(emit, semantics.dy, of.images)
  const convolution = {
    kernel_shape: of.to,
    dilations: [of.stride, of.stride * C],
    pads: [of.padding, 0, Math.max(reach(of, 0), 0), 0],
  }
  const rows = rowsOfChannels(emit, semantics, images)
  const result = isSplit(emit.block, of, images)
    ? splitByImages(emit, rows, semantics, images, convolution)
    : emit.blocked('Conv', [rows, kernelOfImages(emit, semantics, images)], convolution)

  // Taps behind channels while blocks are still runs of numbers, then out of the blocks.
  const outputs = roundedUp(O, emit.block)
  const ordered = U * V === 1 ? result : outerSwapped(emit, result, [outputs / emit.block, U * V, C])
  const blocks = emit.node('Reshape', [ordered, emit.ints(1, outputs, C, U * V)])
  const plain = emit.blocked('ReorderOutput', [blocks], { channels: O })
  emit.node('Reshape', [plain, emit.ints(O, C, U, V)], {}, node.outputs[0]!)
}

/** How many rows (axis 0) or columns are read beyond the last of x; negative where the last ones are not read. */
function reach({ kernel, to, from, stride, padding }: Convolution, axis: 0 | 1): number {
  return kernel[axis] + (to[axis] - 1) * stride - from[axis] - padding
}

/** x → [1, N, H, W·C] in blocks of images, with columns of zeros at both ends; beyond its rows the convolution sees zeros. */
function rowsOfChannels(
  emit: Blocking,
  { of, x }: KernelGradientSemantics,
  { filled, missing }: Images,
): string {
  const C = of.channels.inputs
  const [H, W] = of.from
  const [below, right] = [Math.min(reach(of, 0), 0), reach(of, 1)]
  const padded = withEdge(emit, channelsLast(emit, x, of), [0, 0, of.padding, 0], [missing, below, right, 0])
  const extents = emit.ints(1, filled ?? -1, H + below, (of.padding + W + right) * C)
  return emit.blocked('ReorderInput', [emit.node('Reshape', [padded, extents])])
}

/** x [N, C, H, W] → [N, H, W, C]. Out of blocks that are full, whole runs of b numbers are moved, on all threads. */
function channelsLast(emit: Blocking, x: string, { channels, from: [H, W] }: Convolution): string {
  const C = channels.inputs
  if (C % emit.block === 0 && emit.isMadeInBlocks(x)) {
    const turned = outerSwapped(emit, emit.inBlocks(x), [0, C / emit.block, H * W])
    return emit.node('Reshape', [turned, emit.ints(0, H, W, C)])
  }
  // The engine turns blocks that are not full faster than `Transpose` does. Elsewhere that is as fast, and what is plain anyway need
  // not be kept in blocks from the forward pass on.
  return C % emit.block !== 0 && (lackingToFours(C) === 0 || emit.isInBlocks(x))
    ? emit.blocked('ReorderOutput', [emit.inBlocks(x)], { channels: C, channels_last: 1 })
    : emit.node('Transpose', [x], { perm: [0, 2, 3, 1] })
}

/** dy in blocks of channels, the last block of images filled. */
function filledBlocks(emit: Blocking, dy: string, { missing }: Images): string {
  return withEdge(emit, emit.inBlocks(dy), [0, 0, 0, 0], [missing, 0, 0, 0])
}

/** dy as a kernel [O, N, I, J] in blocks. */
function kernelOfImages(emit: Blocking, { of, dy }: KernelGradientSemantics, images: Images): string {
  const { block } = emit
  const outputs = roundedUp(of.channels.outputs, block)
  const [I, J] = of.to
  const blocks = images.filled === undefined ? -1 : images.filled / block
  const split = emit.node('Reshape', [
    filledBlocks(emit, dy, images),
    emit.ints(blocks, block, outputs / block, I * J, block),
  ])
  const moved = emit.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] })
  return emit.node('Reshape', [moved, emit.ints(outputs, images.filled ?? -1, I, J)])
}

type Known = Images & { readonly filled: number }

/** Whether each block of images gets a result of its own: as long as all results together are no larger than dy. */
function isSplit(block: number, { kernel, channels, to }: Convolution, images: Images): images is Known {
  return images.filled !== undefined && kernel[0] * kernel[1] * channels.inputs <= block * to[0] * to[1]
}

/**
 * The convolution for each block of images by itself, as groups of channels, and the sum of all. Then dy has its blocks of
 * images in the order they lie in, and one pass of the engine's own reordering, on all threads, makes a kernel of it; and a
 * result of few rows is enough work for several threads.
 */
function splitByImages(
  emit: Blocking,
  rows: string,
  { of, dy }: KernelGradientSemantics,
  images: Known,
  convolution: OnnxNode['attributes'],
): string {
  const { block } = emit
  const groups = images.filled / block
  const outputs = roundedUp(of.channels.outputs, block)
  const [I, J] = of.to
  const [U, V] = of.kernel
  const turned = outerSwapped(emit, filledBlocks(emit, dy, images), [
    groups,
    block,
    (outputs / block) * I * J,
  ])
  const kernels = emit.node('Reshape', [turned, emit.ints(groups * outputs, block, I, J)])
  const results = emit.blocked('Conv', [rows, kernels], { ...convolution, group: groups })
  if (groups === 1) return results
  const apart = emit.node('Reshape', [results, emit.ints(groups, outputs * U * V * of.channels.inputs)])
  return emit.node('ReduceSum', [apart, emit.ints(0)], { keepdims: 0 })
}
