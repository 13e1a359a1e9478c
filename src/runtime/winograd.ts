import type { ConvolutionSemantics, Extents, KernelGradientSemantics } from '../graph/node-semantics.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { type Blocking, roundedUp } from './blocking.ts'
import {
  inputTransform,
  kernelTransform,
  kronecker,
  type Matrix,
  outputTransform,
  tileFilling,
  tilesOf,
  transposed,
} from './winograd-transforms.ts'

/*
 * 3×3 convolutions with stride 1 and padding 1, and both their gradients, by Winograd's algorithm: 36 matrix products instead of
 * the multiplications of 9 taps at 16 places. With the transforms of `winograd-transforms.ts`, named as there,
 *
 *     V = Bᵀ·x·B     U = G·w·Gᵀ     y = Aᵀ·(V·U)·A
 *     dM = A·dy·Aᵀ   dx = B·(dM·Uᵀ)·Bᵀ   dw = Gᵀ·(Vᵀ·dM)·G
 *
 * where the products in the middle are one of matrices [places, C]·[C, O] for each of the 36 points, and all else is linear
 * along H and W. An activation is therefore laid out by positions, [H, W, N, C], so that each transform is a product with a small
 * constant matrix from the left. V, U and dM are [6, tiles in H, 6, tiles in W · N, channels]; U is one for all tiles.
 */

/** The height and width of an activation, and its channels, up to whole blocks. */
interface Form {
  /** Where they are known. */
  readonly images?: number | undefined
  readonly channels: number
  readonly extents: Extents
}

/** The channels of a kernel [O, C, 3, 3]. */
interface KernelChannels {
  readonly outputs: number
  readonly inputs: number
}

/**
 * V and U are computed for each pass by itself: kept from the forward to the backward pass, they would take more memory than the
 * activations.
 */
type Pass = 'forward' | 'backward'

/** Whether a convolution, or its gradient with respect to its input, is computed by {@link winogradConvolution}. */
export function isWinograd({ attributes }: OnnxNode, semantics: ConvolutionSemantics): boolean {
  const { kernel_shape, pads, strides = [1, 1], dilations = [1, 1] } = attributes
  const isUsual = [kernel_shape, pads, strides, dilations].join(' ') === '3,3 1,1,1,1 1,1 1,1'
  if (!isUsual || semantics.extents === undefined) return false
  const { images, height, width } = semantics.extents
  return isWorthIt(semantics.channels, images, [height, width])
}

/** Whether the gradient of a kernel is computed by {@link winogradKernelGradient}. */
export function isWinogradKernelGradient({ of }: KernelGradientSemantics): boolean {
  const isUsual = [...of.kernel, of.stride, of.padding].join(' ') === '3 3 1 1'
  return isUsual && isWorthIt(of.channels, of.images, of.from)
}

/**
 * By shapes alone, measured as residual stages, forward and backward (docs/explanation/decisions/graph-and-engine.md). What is saved
 * grows with C·O, and what the transforms cost with C + O. Of an expert, whose images are not counted yet, they are assumed to be
 * enough.
 */
function isWorthIt(
  { inputs, outputs }: KernelChannels,
  images: number | undefined,
  [height, width]: Extents,
): boolean {
  const mean = (2 * inputs * outputs) / (inputs + outputs)
  const places = (images ?? Infinity) * tilesOf(height) * tilesOf(width)
  const isSmall = height * width <= 16 * 16
  return mean >= (isSmall ? 64 : 96) && places >= 32 && tileFilling(height, width) >= 0.5
}

/** y = Aᵀ·(V·U)·A, or of a kernel that is `rotatedFrom` another one, dx = B·(dM·Uᵀ)·Bᵀ with that one's U. */
export function winogradConvolution(emit: Blocking, node: OnnxNode, semantics: ConvolutionSemantics): void {
  const { channels, rotatedFrom } = semantics
  const { images, height, width } = semantics.extents!
  const [value, kernel] = node.inputs as readonly [string, string]
  const formOf = (count: number): Form => ({
    images,
    channels: roundedUp(count, emit.block),
    extents: [height, width],
  })
  const [from, to] = [formOf(channels.inputs), formOf(channels.outputs)]
  const result =
    rotatedFrom === undefined
      ? forward(emit, value, kernel, channels, from, to)
      : inputGradient(
          emit,
          value,
          rotatedFrom,
          { inputs: channels.outputs, outputs: channels.inputs },
          from,
          to,
        )
  emit.made(node.outputs[0]!, result, channels.outputs)
}

/*
 * Of what a node reads, the engine computes first what comes last in the file (`Graph::ReverseDFSFrom`, in the order of the nodes'
 * numbers). So what depends on little comes early in the file here: then it is computed when it is needed, and not before all
 * layers in front of it.
 */
function forward(emit: Blocking, x: string, w: string, kernel: KernelChannels, from: Form, to: Form): string {
  const U = kernelPoints(emit, w, kernel, 'forward')
  const V = inputPoints(emit, x, from, 'forward')
  kernelPoints(emit, w, kernel, 'backward')
  inputPoints(emit, x, from, 'backward')
  const M = emit.fusedMatMul([V, U], { transB: 1 })
  return inBlocks(emit, alongBoth(emit, M, 'result', to.extents), to)
}

function inputGradient(
  emit: Blocking,
  dy: string,
  w: string,
  kernel: KernelChannels,
  from: Form,
  to: Form,
): string {
  const U = kernelPoints(emit, w, kernel, 'backward')
  const dV = emit.node('MatMul', [resultPoints(emit, dy, from), U])
  return inBlocks(emit, alongBoth(emit, dV, 'input gradient', to.extents), to)
}

/** dw = Gᵀ·(Vᵀ·dM)·G as the output of the node. */
export function winogradKernelGradient(
  emit: Blocking,
  node: OnnxNode,
  { of, x, dy }: KernelGradientSemantics,
): void {
  const { inputs, outputs } = of.channels
  const [C, O] = [roundedUp(inputs, emit.block), roundedUp(outputs, emit.block)]
  const V = inputPoints(emit, x, { channels: C, extents: of.from }, 'backward')
  const dM = resultPoints(emit, dy, { channels: O, extents: of.to })
  const dU = emit.fusedMatMul([dM, V], { transA: 1 })
  const summed = tilesOf(of.to[0]) === 1 ? dU : emit.node('ReduceSum', [dU, emit.ints(1)], { keepdims: 0 })
  const byPoints = emit.node('Reshape', [summed, emit.ints(-1, O * C)])
  const taps = emit.fusedMatMul([byPoints, kernelMatrix(emit)], { transA: 1 })
  const whole = emit.node('Reshape', [taps, emit.ints(O, C, 3, 3)])
  const own =
    O === outputs && C === inputs
      ? whole
      : emit.node('Slice', [whole, emit.ints(0, 0), emit.ints(outputs, inputs), emit.ints(0, 1)])
  if (of.images !== undefined) emit.node('Identity', [own], {}, node.outputs[0]!)
  else {
    // The engine leaves a product over no places uninitialised.
    const some = emit.node('Greater', [emit.node('Size', [emit.inBlocks(dy)]), emit.int(0)])
    emit.node('Where', [some, own, emit.filled([], 0)], {}, node.outputs[0]!)
  }
}

/** U of a kernel, with zeros up to whole blocks: [6, 1, 6, O, C]. */
function kernelPoints(emit: Blocking, w: string, { outputs, inputs }: KernelChannels, pass: Pass): string {
  return emit.once(`U of ${w}, ${pass}`, () => {
    const [O, C] = [roundedUp(outputs, emit.block), roundedUp(inputs, emit.block)]
    const isWhole = O === outputs && C === inputs
    const whole = isWhole ? w : emit.node('Pad', [w, emit.ints(0, 0, 0, 0, O - outputs, C - inputs, 0, 0)])
    const kernels = emit.node('Reshape', [whole, emit.lateInts(O * C, 9)], distinct(pass))
    const byPoints = emit.fusedMatMul([kernelMatrix(emit), kernels], { transB: 1 })
    return emit.node('Reshape', [byPoints, emit.lateInts(6, 1, 6, O, C)])
  })
}

/** V of an input: [6, tiles in H, 6, tiles in W · N, C]. */
function inputPoints(emit: Blocking, x: string, form: Form, pass: Pass): string {
  return emit.once(`V of ${x}, ${pass}`, () => {
    const points = alongBoth(emit, byPositions(emit, x, form, pass), 'input', form.extents)
    return emit.node('Reshape', [points, emit.lateInts(6, tilesOf(form.extents[0]), 6, -1, form.channels)])
  })
}

/** dM of a result's gradient, in the same form. Both gradients read it. */
function resultPoints(emit: Blocking, dy: string, form: Form): string {
  return emit.once(`dM of ${dy}`, () => {
    const points = alongBoth(emit, byPositions(emit, dy, form, 'backward'), 'result gradient', form.extents)
    return emit.node('Reshape', [points, emit.lateInts(6, tilesOf(form.extents[0]), 6, -1, form.channels)])
  })
}

/**
 * The engine merges equal nodes. That of the backward pass differs in an attribute, without effect where no extent of the shape is
 * 0, and so does all that follows from it.
 */
function distinct(pass: Pass): OnnxNode['attributes'] {
  return pass === 'backward' ? { allowzero: 1 } : {}
}

/** An activation by positions, [H·W, N·C], out of its blocks: runs of a block's channels are moved, on all threads. */
function byPositions(emit: Blocking, plain: string, { extents: [H, W] }: Form, pass: Pass): string {
  const shape = emit.lateInts(1, -1, 1, H * W * emit.block)
  const rows = emit.node('Reshape', [emit.inBlocks(plain), shape], distinct(pass))
  return emit.blocked('ReorderInput', [rows], { channels_last: 1 })
}

/** The same way back. */
function inBlocks(
  emit: Blocking,
  positions: string,
  { channels, extents: [H, W], images = -1 }: Form,
): string {
  const rows = emit.node('Reshape', [positions, emit.lateInts(1, H * W, 1, -1)])
  const turned = emit.blocked('ReorderInput', [rows], { channels_last: 1 })
  return emit.node('Reshape', [turned, emit.ints(images, channels, H, W)])
}

/** The four transforms of activations, each for an axis of some extent. */
const transforms = {
  input: inputTransform,
  'input gradient': (extent: number) => transposed(inputTransform(extent)),
  result: outputTransform,
  'result gradient': (extent: number) => transposed(outputTransform(extent)),
} as const satisfies Record<string, (extent: number) => Matrix>

/**
 * A transform along H and W, of a value whose first axis is both. For one tile by one matrix; otherwise along one axis after the
 * other, which multiplies less, in the order in which the value between is smaller.
 */
function alongBoth(emit: Blocking, value: string, kind: keyof typeof transforms, [H, W]: Extents): string {
  const matrix = (name: string, rows: Matrix): string =>
    emit.matrix(`Winograd ${kind} ${name}`, [rows.length, rows[0]!.length], rows.flat())
  const [down, across] = [transforms[kind](H), transforms[kind](W)]
  const [h, w] = [down[0]!.length, across[0]!.length]
  const product = (rows: string, of: string, ...shape: readonly number[]): string =>
    emit.node('MatMul', [rows, emit.node('Reshape', [of, emit.lateInts(...shape)])])
  if (tilesOf(H) * tilesOf(W) === 1)
    return product(matrix(`${H}×${W}`, kronecker(down, across)), value, h * w, -1)
  if (down.length > h)
    return product(matrix(`${W}`, across), product(matrix(`${H}`, down), value, h, -1), down.length, w, -1)
  return product(matrix(`${H}`, down), product(matrix(`${W}`, across), value, h, w, -1), h, -1)
}

function kernelMatrix(emit: Blocking): string {
  return emit.matrix('Winograd kernel', [36, 9], kernelTransform().flat())
}
