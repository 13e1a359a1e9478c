import type { OnnxNode } from '../graph/onnx.ts'
import { type Blocking, roundedUp } from './blocking.ts'

/*
 * Ops with one number for each channel, on activations in blocks of channels. Scale and shift are applied in
 * one pass, as a convolution of each channel by itself.
 */

/** An activation [N, C, H, W]. */
export interface Activation {
  /** N; undefined if known only when the graph runs. */
  readonly images: number | undefined
  readonly channels: number
  /** H and W. */
  readonly extents: readonly [number, number]
}

/**
 * Batch normalisation with the statistics of the batch (`graph/ops/normalisation.ts`):
 *
 *     x → means μ → x − μ → means of its squares, σ² → (x − μ) · γ/√(σ² + ε) + β
 *
 * The mean is subtracted before squares are summed, so precision is kept where it is large compared with σ. The engine's own
 * `BatchNormalization` uses one thread. Without images the statistics are 0.
 *
 * @returns the result in blocks; means and variances are written as the outputs of the node
 */
export function blockedBatchNorm(emit: Blocking, node: OnnxNode, activation: Activation): string {
  const { channels } = activation
  const [x, scale, shift] = node.inputs as readonly [string, string, string]
  const [, mean, variance] = node.outputs as readonly [string, string, string]
  const { float: epsilon } = node.attributes.epsilon as { readonly float: number }
  const width = roundedUp(channels, emit.block)
  const blocks = emit.inBlocks(x)
  const mu = channelMeans(emit, blocks, activation)
  const centred = eachChannel(emit, blocks, emit.filled([width], 1), width, emit.node('Neg', [mu]))
  const sigma2 = channelMeans(emit, emit.node('Mul', [centred, centred]), activation)
  ofChannels(emit, mu, activation, mean)
  ofChannels(emit, sigma2, activation, variance)
  // Padded only now: the padding of the last block has σ = 0, and ε may be 0 too.
  const deviation = emit.node('Sqrt', [emit.node('Add', [variance, emit.filled([], epsilon)])])
  const factor = wholeBlocks(emit, emit.node('Div', [scale, deviation]), activation)
  return eachChannel(emit, centred, factor, width, wholeBlocks(emit, shift, activation))
}

/**
 * x · scale + shift, with vectors [C] or [C, 1, 1].
 *
 * @returns the result in blocks
 */
export function blockedAffine(
  emit: Blocking,
  x: string,
  activation: Activation,
  scale: string,
  shift?: string,
): string {
  const width = roundedUp(activation.channels, emit.block)
  const vector = emit.node('Reshape', [scale, emit.ints(activation.channels)])
  const offsets = shift === undefined ? [] : [wholeBlocks(emit, shift, activation)]
  return eachChannel(emit, emit.inBlocks(x), wholeBlocks(emit, vector, activation), width, ...offsets)
}

/** The sum of each channel over images and places, [C], as the output of the node. */
export function blockedSums(emit: Blocking, node: OnnxNode, activation: Activation): void {
  const means = imageMeans(emit, emit.inBlocks(node.inputs[0]!), activation)
  const sums = emit.node('ReduceSum', [means, emit.ints(0)], { keepdims: 0 })
  const [H, W] = activation.extents
  ofChannels(emit, emit.node('Mul', [sums, emit.filled([], H * W)]), activation, node.outputs[0]!)
}

/** The shape of an activation, or with `Size` its number of elements, without leaving the blocked layout. */
export function shapeOutOfBlocks(
  emit: Blocking,
  { op, inputs, outputs }: OnnxNode,
  activation: Activation,
): void {
  const shape = emit.node('Shape', [emit.inBlocks(inputs[0]!)])
  const { channels, extents } = activation
  if (op === 'Shape') {
    const images = emit.node('Gather', [shape, emit.ints(0)])
    emit.node('Concat', [images, emit.ints(channels, ...extents)], { axis: 0 }, outputs[0]!)
    return
  }
  const images = emit.node('Gather', [shape, emit.int(0)])
  emit.node('Mul', [images, emit.int(channels * extents[0] * extents[1])], {}, outputs[0]!)
}

/** x · scale (+ shift), with vectors [width] that fill whole blocks. */
function eachChannel(emit: Blocking, x: string, scale: string, width: number, ...shift: string[]): string {
  const kernel = emit.node('Reshape', [scale, emit.ints(width, 1, 1, 1)])
  return emit.blocked('Conv', [x, kernel, ...shift], { kernel_shape: [1, 1], group: width })
}

/** The mean of each channel over images and places; 0 where there are no images. */
function channelMeans(emit: Blocking, blocks: string, activation: Activation): string {
  const means = imageMeans(emit, blocks, activation)
  if (activation.images !== undefined && activation.images > 0)
    return emit.node('ReduceMean', [means, emit.ints(0)], { keepdims: 0 })
  const count = emit.node('Gather', [emit.node('Shape', [blocks]), emit.int(0)])
  const some = emit.node('Max', [emit.node('Cast', [count], { to: 1 }), emit.filled([], 1)])
  return emit.node('Div', [emit.node('ReduceSum', [means, emit.ints(0)], { keepdims: 0 }), some])
}

/** The mean of each channel of each image, [N, C] with whole blocks of channels. */
function imageMeans(emit: Blocking, blocks: string, { channels }: Activation): string {
  const means = emit.blocked('GlobalAveragePool', [blocks])
  return emit.node('Reshape', [means, emit.ints(0, roundedUp(channels, emit.block))])
}

/** A vector [C] with zeros up to whole blocks. */
function wholeBlocks(emit: Blocking, vector: string, { channels }: Activation): string {
  const missing = roundedUp(channels, emit.block) - channels
  return missing === 0 ? vector : emit.node('Pad', [vector, emit.ints(0, missing)])
}

/** The first [C] of a vector of whole blocks, under this name. */
function ofChannels(emit: Blocking, vector: string, { channels }: Activation, output: string): void {
  const isFull = channels % emit.block === 0
  if (isFull) emit.node('Identity', [vector], {}, output)
  else emit.node('Slice', [vector, emit.ints(0), emit.ints(channels)], {}, output)
}
