import type { ConvolutionMeaning } from '../graph/meaning.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { chosenTaps, kernelInBlocks, outerSwapped, swappedInBlocks } from './blocked-kernels.ts'
import { type Blocking, roundedUp } from './blocking.ts'

/**
 * A convolution on blocks of channels:
 *
 *     x → in blocks ──────┐
 *     kernel → in blocks ─┴→ Conv on blocks → out of blocks → y
 */
export function blockedConvolution(emit: Blocking, node: OnnxNode, meaning: ConvolutionMeaning): void {
  const { channels, turned } = meaning
  const y = node.outputs[0]!
  const [U, V] = node.attributes.kernel_shape as readonly [number, number]
  const taps = U * V
  const extents = { O: channels.outputs, C: channels.inputs, taps }
  const backwards = Array.from({ length: taps }, (_, tap) => taps - 1 - tap)
  const kernel =
    turned === undefined
      ? kernelInBlocks(emit, node.inputs[1]!, extents)
      : chosenTaps(emit, swappedInBlocks(emit, turned, extents), backwards, taps)
  const [O, C] = [roundedUp(extents.O, emit.block), roundedUp(extents.C, emit.block)]
  const kernels = emit.node('Reshape', [kernel, emit.ints(O, C, U, V)])
  const blocks = emit.activation(node.inputs[0]!)
  const result = isNarrow(node, meaning)
    ? sideBySide(emit, blocks, kernels, { ...meaning.extents, O, C })
    : emit.blocked('Conv', [blocks, kernels], node.attributes)
  emit.made(y, result, extents.O)
}

type Narrow = ConvolutionMeaning & Required<Pick<ConvolutionMeaning, 'extents'>>

/** Whether it is a usual 3×3 convolution of many images 3 to 5 wide. */
function isNarrow({ attributes }: OnnxNode, meaning: ConvolutionMeaning): meaning is Narrow {
  if (meaning.extents === undefined) return false
  const { kernel_shape, pads, strides = [1, 1], dilations = [1, 1] } = attributes
  const usual = [kernel_shape, pads, strides, dilations].join(' ') === '3,3 1,1,1,1 1,1 1,1'
  const { images, width } = meaning.extents
  return usual && images >= 16 && width >= 3 && width <= 5
}

/**
 * The engine computes results whose window reaches beyond the left or right edge one by one, where it otherwise has six at once.
 * Here the rows of all N images lie side by side, number k of image n at k·N + n, between columns of zeros; a kernel whose taps
 * lie N apart then never reaches beyond an edge.
 */
function sideBySide(
  emit: Blocking,
  blocks: string,
  kernels: string,
  { images, height, width, O, C }: Narrow['extents'] & { readonly O: number; readonly C: number },
): string {
  const area = height * width
  const inner = C / emit.block
  // [N, C/b·H·W, b] → [C/b·H·W, N, b], → [C/b·H, W + 2, N·b]
  const together = outerSwapped(emit, blocks, [1, images, inner * area])
  const rows = emit.node('Reshape', [together, emit.ints(inner * height, width, images * emit.block)])
  const between = emit.node('Pad', [rows, emit.ints(0, 1, 0, 0, 1, 0)])
  const result = emit.blocked(
    'Conv',
    [emit.node('Reshape', [between, emit.ints(1, C, height, (width + 2) * images)]), kernels],
    { kernel_shape: [3, 3], pads: [1, 0, 1, 0], dilations: [1, images] },
  )
  // [O/b·H·W, N, b] → [N, O/b·H·W, b]: out of blocks of as many channels, with the channels last.
  const places = emit.node('Reshape', [result, emit.ints(1, O * area, images, 1)])
  const apart = emit.blocked('ReorderOutput', [places], { channels: O * area, channels_last: 1 })
  return emit.node('Reshape', [apart, emit.ints(images, O, height, width)])
}
