import { type Shape, sameShape } from '../graph/dims.ts'
import type { Channels } from '../graph/node-semantics.ts'
import type { OnnxModel, OnnxNode } from '../graph/onnx.ts'
import {
  type Activation,
  blockedAffine,
  blockedBatchNorm,
  blockedSums,
  shapeOutOfBlocks,
} from './blocked-channels.ts'
import { blockedConvolution } from './blocked-convolutions.ts'
import { blockedInputGradient, blockedSpreading, isDoubling, isSpreading } from './blocked-input-gradients.ts'
import { blockedKernelGradient } from './blocked-kernel-gradients.ts'
import { blockedPointwise, isPointwise } from './blocked-pointwise.ts'
import {
  Blocking,
  blockedDomain,
  filling,
  floatOf,
  fusedDomain,
  lackingToFours,
  withoutUnused,
} from './blocking.ts'
import {
  isWinograd,
  isWinogradKernelGradient,
  winogradConvolution,
  winogradKernelGradient,
} from './winograd.ts'

/**
 * The same model with its convolutions and their gradients in blocks of `block` channels or images, where that is faster, and with
 * the ops between them in the same layout.
 *
 * ONNX Runtime's convolutions on blocked activations, [N, C / b, H, W, b] in memory with b channels side by side, are up to
 * twice as fast as those on [N, C, H, W]: they need no copy of their windows, and b channels are one vector of the
 * processor. The engine uses them by itself only where the kernel is a constant, and the kernels of a training step are not.
 *
 * `com.microsoft.nchwc` is the engine's own domain and b depends on the processor (`block-size.ts`), so this is done to a
 * program when its session is created, never in a file. Inputs and outputs keep their layout.
 * Only extents decide, never a measurement: the choice must be the same when a training is resumed.
 */
export function withBlockedLayout(model: OnnxModel, block: number): OnnxModel {
  const blocking = new Blocking(block, model)
  for (const node of model.nodes) {
    blocking.begin(node)
    if (!onBlocks(blocking, node)) blocking.nodes.push(node)
  }
  return withoutUnused({
    ...model,
    nodes: blocking.nodes,
    inputs: [...model.inputs, ...blocking.late.values()],
    initializers: [...model.initializers, ...blocking.constants.values()],
    domains: { ...model.domains, [blockedDomain]: 1, [fusedDomain]: 1 },
  })
}

/** Rewrites a node in the blocked layout, if that is possible and faster. */
function onBlocks(emit: Blocking, node: OnnxNode): boolean {
  const { semantics } = node
  if (semantics?.kind === 'convolution') {
    const { channels } = semantics
    // What does not come in fours is filled up where it goes into blocks, for which its shape must be known.
    const isKnown = lackingToFours(channels.inputs) === 0 || emit.shapeOf(node.inputs[0]!) !== undefined
    if (node.inputs.length !== 2 || !isKnown || !fills(channels, emit.block)) return false
    if (isWinograd(node, semantics)) winogradConvolution(emit, node, semantics)
    else blockedConvolution(emit, node, semantics)
    return true
  }
  if (semantics?.kind === 'inputGradient') {
    if (!fills(semantics.of.channels, emit.block)) return false
    if (isDoubling(semantics.of)) blockedInputGradient(emit, node, semantics)
    else if (isSpreading(semantics.of)) blockedSpreading(emit, node, semantics)
    else return false
    return true
  }
  if (semantics?.kind === 'kernelGradient') {
    const { images, channels, padding, kernel } = semantics.of
    if (fills(channels, emit.block) && isWinogradKernelGradient(semantics)) {
      winogradKernelGradient(emit, node, semantics)
      return true
    }
    // How many images an expert gets is not known; computed for nothing are less than a block, or one block where it gets none.
    const full = images === undefined ? 1 : filling(images, emit.block)
    const isWorthIt = full * filling(channels.outputs, emit.block) >= worthwhile
    if (!isWorthIt || padding >= Math.min(...kernel)) return false
    blockedKernelGradient(emit, node, semantics)
    return true
  }
  return staysOnBlocks(emit, node)
}

/** Writes an op between convolutions on blocks, where what it reads is there already. */
function staysOnBlocks(emit: Blocking, node: OnnxNode): boolean {
  const { op, inputs, outputs } = node
  const [first = '', second = ''] = inputs
  const activation = blockable(emit, first)
  if (activation === undefined) return false
  const { channels } = activation
  const made = (blocks: string): boolean => {
    emit.made(outputs[0]!, blocks, channels)
    return true
  }
  // The conversion pays off on more than one thread, where a convolution will need it too. On one thread it is neutral,
  // and the choice must not depend on threads.
  const isWanted = emit.isInBlocks(first) || fills({ inputs: channels, outputs: channels }, emit.block)
  if (op === 'BatchNormalization' && isOfBatch(node) && isWanted)
    return made(blockedBatchNorm(emit, node, activation))
  if (!inputs.some(name => emit.isInBlocks(name))) return false
  if (isPointwise(emit, node)) return made(blockedPointwise(emit, node))
  if (!emit.isInBlocks(first)) return false
  if (op === 'Mul' && isPerChannel(emit.shapeOf(second), activation))
    return made(blockedAffine(emit, first, activation, second))
  if (node.semantics?.kind === 'channelAffine')
    return made(blockedAffine(emit, first, activation, second, inputs[2]))
  if (op === 'ReduceSum' && isOverAllButChannels(emit, node)) {
    blockedSums(emit, node, activation)
    return true
  }
  if ((op === 'Shape' || op === 'Size') && emit.isMadeInBlocks(first)) {
    shapeOutOfBlocks(emit, node, activation)
    return true
  }
  return false
}

/** What is known of a value, where it is an activation whose channels fill their blocks well enough. */
function blockable(emit: Blocking, name: string): Activation | undefined {
  const [images, channels, height, width, ...more] = emit.shapeOf(name) ?? []
  if (typeof channels !== 'number' || typeof height !== 'number' || typeof width !== 'number')
    return undefined
  if (more.length > 0 || filling(channels, emit.block) < worthwhile) return undefined
  return { images: typeof images === 'number' ? images : undefined, channels, extents: [height, width] }
}

/** Whether it is [C, 1, 1]. */
function isPerChannel(shape: Shape | undefined, { channels }: Activation): boolean {
  return shape !== undefined && sameShape(shape, [channels, 1, 1])
}

/** Whether it uses only the statistics of the batch, not running ones. */
function isOfBatch({ attributes }: OnnxNode): boolean {
  const { training_mode, momentum, epsilon } = attributes
  return training_mode === 1 && floatOf(momentum) === 0 && floatOf(epsilon) !== undefined
}

function isOverAllButChannels(emit: Blocking, { inputs, attributes }: OnnxNode): boolean {
  return attributes.keepdims === 0 && emit.intsOf(inputs[1])?.join(' ') === '0 2 3'
}

/**
 * Blocks that would be filled less than this are not worth it. Measured at width 24, where 24 of 32 channels are 0.56 of what is
 * computed: a step is no slower with those convolutions on blocks, which their gradients need anyway.
 */
const worthwhile = 0.5

/** Whether channels fill their blocks. */
function fills({ inputs, outputs }: Channels, block: number): boolean {
  return filling(inputs, block) * filling(outputs, block) >= worthwhile
}
