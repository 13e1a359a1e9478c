import type { ConvolutionSemantics } from '../graph/node-semantics.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { wholeBlocksOfImages, withEdge, withoutEmptyImages } from './blocked-images.ts'
import { chosenTaps, kernelInBlocks, outerSwapped, swappedInBlocks } from './blocked-kernels.ts'
import { type Blocking, filling, roundedUp } from './blocking.ts'

/**
 * A convolution on blocks of channels:
 *
 *     x → in blocks ──────┐
 *     kernel → in blocks ─┴→ Conv on blocks → out of blocks → y
 */
export function blockedConvolution(emit: Blocking, node: OnnxNode, semantics: ConvolutionSemantics): void {
  const { channels, rotatedFrom } = semantics
  const y = node.outputs[0]!
  const [U, V] = node.attributes.kernel_shape as readonly [number, number]
  const taps = U * V
  const extents = { O: channels.outputs, C: channels.inputs, taps }
  const backwards = Array.from({ length: taps }, (_, tap) => taps - 1 - tap)
  const kernel =
    rotatedFrom === undefined
      ? kernelInBlocks(emit, node.inputs[1]!, extents)
      : chosenTaps(emit, swappedInBlocks(emit, rotatedFrom, extents), backwards, taps)
  const [O, C] = [roundedUp(extents.O, emit.block), roundedUp(extents.C, emit.block)]
  const kernels = emit.node('Reshape', [kernel, emit.ints(O, C, U, V)])
  const result = isNarrow(emit, node, semantics)
    ? sideBySide(emit, node, kernels, semantics)
    : emit.blocked('Conv', [emit.inBlocks(node.inputs[0]!), kernels], node.attributes)
  emit.made(y, result, extents.O)
}

type Narrow = ConvolutionSemantics & Required<Pick<ConvolutionSemantics, 'extents'>>

/** Whether it is a usual 3×3 convolution of images 3 to 5 wide, enough of them to fill their groups. */
function isNarrow(
  emit: Blocking,
  { attributes }: OnnxNode,
  semantics: ConvolutionSemantics,
): semantics is Narrow {
  if (semantics.extents === undefined) return false
  const { kernel_shape, pads, strides = [1, 1], dilations = [1, 1] } = attributes
  const usual = [kernel_shape, pads, strides, dilations].join(' ') === '3,3 1,1,1,1 1,1 1,1'
  const { images, width } = semantics.extents
  const isEnough = images === undefined || filling(images, emit.block) >= enough
  return usual && isEnough && width >= 3 && width <= 5
}

/**
 * Side by side, an image takes 0.6 times as long (512 channels, 4×4, measured). Of an expert, whose images are not counted yet, they
 * are assumed to be enough.
 */
const enough = 0.6

/**
 * The engine computes results whose window reaches beyond the left or right edge one by one, where it otherwise has six at once.
 * Here the rows of b images lie side by side, number k of image n at k·b + n, between columns of zeros; a kernel whose taps
 * lie b apart then never reaches beyond an edge.
 */
function sideBySide(
  emit: Blocking,
  { inputs }: OnnxNode,
  kernels: string,
  { extents: { images, height, width }, channels }: Narrow,
): string {
  const { block } = emit
  const area = height * width
  const [O, C] = [roundedUp(channels.outputs, block), roundedUp(channels.inputs, block)]
  const all = wholeBlocksOfImages(emit, inputs[0]!, images)
  const groups = all.filled === undefined ? -1 : all.filled / block
  const filled = withEdge(emit, emit.inBlocks(inputs[0]!), [0, 0, 0, 0], [all.missing, 0, 0, 0])
  // [b, C/b·H·W, b] of each group → [C/b·H·W, b, b], → [C/b·H, W + 2, b·b]
  const together = outerSwapped(emit, filled, [groups, block, (C / block) * area])
  const rows = emit.node('Reshape', [together, emit.ints(-1, width, block * block)])
  const between = emit.node('Pad', [rows, emit.ints(0, 1, 0, 0, 1, 0)])
  const result = emit.blocked(
    'Conv',
    [emit.node('Reshape', [between, emit.ints(groups, C, height, (width + 2) * block)]), kernels],
    { kernel_shape: [3, 3], pads: [1, 0, 1, 0], dilations: [1, block] },
  )
  const apart = outerSwapped(emit, result, [groups, (O / block) * area, block])
  return withoutEmptyImages(emit, emit.node('Reshape', [apart, emit.ints(-1, O, height, width)]), all)
}
