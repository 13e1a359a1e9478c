import {
  add,
  batchNormInference,
  batchNormTraining,
  channelAffine,
  conv2d,
  convTranspose2d,
  div,
  greater,
  linear as linearOp,
  maximum,
  mul,
  type Pair,
  pairOf,
  reciprocal,
  reshape,
  type Sides,
  shapeError,
  sizeOfAxes,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  updatedStatistics,
  where,
} from '../graph/index.ts'
import type { Initialiser } from './initialise.ts'
import { biasOf, kaimingUniform, ones, zeros } from './initialise.ts'
import type { Scope } from './scope.ts'

/** A layer: builds its part of the graph in a scope. x and the result are [N, C, H, W] unless said otherwise. */
export type Layer = (scope: Scope, x: Tensor) => Tensor

/** Of a convolution: channels of the result and, in pixels, extent of the kernel; [rows, columns] where they differ. */
export interface ConvOptions {
  readonly outputs: number
  readonly kernel: number | Pair
  readonly stride?: number | Pair
  /** As in `ConvolutionOptions`. Default: half the kernel, which keeps the size at stride 1 for odd kernels. */
  readonly padding?: number | Pair | Sides
  readonly dilation?: number | Pair
  readonly groups?: number
  readonly bias?: boolean
  /** Initialisation of the kernel; default: the scope's (`Scope.withKernels`). */
  readonly initialise?: Initialiser
}

/**
 * Convolution with parameters `weight` [O, C / groups, kH, kW] and, on request, `bias` [O].
 *
 * @throws MoietyError (usage) for an unknown number of channels, or shapes that conv2d refuses
 */
export function conv(scope: Scope, x: Tensor, options: ConvOptions): Tensor {
  const { outputs, kernel, stride = 1, groups = 1, dilation = 1, bias = false } = options
  const [height, width] = pairOf(kernel)
  const [down, across] = pairOf(dilation)
  const padding = options.padding ?? [Math.floor(height / 2) * down, Math.floor(width / 2) * across]
  const channels = channelsOf(x)
  const shape = [outputs, channels / groups, height, width]
  const weight = scope.parameter('weight', shape, options.initialise ?? scope.kernels)
  return conv2d(x, weight, {
    stride,
    padding,
    dilation,
    groups,
    ...(bias ? { bias: scope.parameter('bias', [outputs], biasOf(shape)) } : {}),
  })
}

/** Of a transposed convolution. */
export interface TransposedConvOptions extends Omit<ConvOptions, 'padding'> {
  /** Cropped from the sides of the result; default 0. */
  readonly padding?: number | Pair | Sides
  /** Additional rows and columns of the result; default 0. */
  readonly outputPadding?: number | Pair
}

/**
 * Transposed convolution, torch's ConvTranspose2d, with parameters `weight` [C, O / groups, kH, kW] and, on request, `bias` [O].
 * Both are initialised uniformly in ±1/√(O / groups·kH·kW), torch's default.
 *
 * @throws MoietyError (usage) for an unknown extent, or shapes that convTranspose2d refuses
 */
export function convTranspose(scope: Scope, x: Tensor, options: TransposedConvOptions): Tensor {
  const { outputs, kernel, groups = 1, bias = false, initialise = kaimingUniform, ...window } = options
  const shape = [channelsOf(x), outputs / groups, ...pairOf(kernel)]
  const weight = scope.parameter('weight', shape, initialise)
  return convTranspose2d(x, weight, {
    ...window,
    groups,
    ...(bias ? { bias: scope.parameter('bias', [outputs], biasOf(shape)) } : {}),
  })
}

/**
 * x·Wᵀ + b with `weight` [outputs, inputs] and `bias` [outputs]; x [N, inputs] → [N, outputs].
 *
 * @throws MoietyError (usage) for an unknown number of inputs
 */
export function linear(
  scope: Scope,
  x: Tensor,
  outputs: number,
  { bias = true }: { readonly bias?: boolean } = {},
): Tensor {
  const inputs = x.dim(1)
  if (typeof inputs !== 'number') return shapeError('linear', 'a known number of inputs', [x])
  const shape = [outputs, inputs]
  const weight = scope.parameter('weight', shape, kaimingUniform)
  return linearOp(x, weight, bias ? scope.parameter('bias', [outputs], biasOf(shape)) : undefined)
}

/** Defaults are torch's. */
export interface BatchNormOptions {
  readonly epsilon?: number
  /** Weight of the newest batch in the running averages. */
  readonly momentum?: number
}

/**
 * Batch normalisation with parameters `weight`, `bias` and statistics `running_mean`, `running_var`, all [C].
 * In training it uses the batch's statistics and updates the averages; an empty batch leaves them unchanged. Where the scope freezes
 * them, it uses the averages in training too.
 *
 * @throws MoietyError (usage) for an unknown number of channels
 */
export function batchNorm(scope: Scope, x: Tensor, options: BatchNormOptions = {}): Tensor {
  const { epsilon = 1e-5, momentum = 0.1 } = options
  const shape = [channelsOf(x)]
  const scale = scope.parameter('weight', shape, ones)
  const shift = scope.parameter('bias', shape, zeros)
  const running = {
    mean: scope.statistic('running_mean', shape, zeros),
    variance: scope.statistic('running_var', shape, ones),
  }
  if (!scope.training || scope.kept !== 'nothing')
    return batchNormInference(x, scale, shift, running.mean, running.variance, epsilon)
  if (scope.mask !== undefined) {
    const { output, mean, variance, count } = maskedBatchNorm(x, scope.mask, scale, shift, epsilon)
    const unbiased = mul(variance, div(count, maximum(sub(count, 1), 1)))
    const blend = (old: Tensor, fresh: Tensor): Tensor =>
      where(greater(count, 0), add(mul(old, 1 - momentum), mul(fresh, momentum)), old)
    scope.assign('running_mean', blend(running.mean, mean))
    scope.assign('running_var', blend(running.variance, unbiased))
    return output
  }
  const { output, mean, variance } = batchNormTraining(x, scale, shift, epsilon)
  const next = updatedStatistics(
    x,
    running,
    { mean: stopGradient(mean), variance: stopGradient(variance) },
    momentum,
  )
  scope.assign('running_mean', next.mean)
  scope.assign('running_var', next.variance)
  return output
}

/**
 * Batch normalisation whose statistics count only the images with mask 1: what an expert would compute on its
 * own sub-batch, computed on the whole batch. The slow, simple reference for sparse dispatch.
 */
function maskedBatchNorm(
  x: Tensor,
  mask: Tensor,
  scale: Tensor,
  shift: Tensor,
  epsilon: number,
): { readonly output: Tensor; readonly mean: Tensor; readonly variance: Tensor; readonly count: Tensor } {
  const weight = reshape(mask, [mask.shape[0]!, 1, 1, 1])
  const count = mul(sum(mask), sizeOfAxes(x, [2, 3]))
  const divisor = maximum(count, 1)
  const average = (counted: Tensor): Tensor => mul(sum(counted, [0, 2, 3]), reciprocal(divisor))
  const mean = average(mul(x, weight))
  // Masked images are set to the mean: divided by the deviation of others, they would grow from
  // layer to layer until they overflow, and 0 · ∞ is not 0.
  const centred = mul(sub(x, reshape(mean, [mean.shape[0]!, 1, 1])), weight)
  const variance = average(square(centred))
  const output = channelAffine(centred, mul(scale, reciprocal(sqrt(add(variance, epsilon)))), shift)
  return { output, mean: stopGradient(mean), variance: stopGradient(variance), count: stopGradient(count) }
}

/**
 * The number of channels of x [N, C, H, W] (or of [N, C]).
 *
 * @throws MoietyError (usage) when it is known only when the graph runs
 */
export function channelsOf(x: Tensor): number {
  const channels = x.dim(1)
  return typeof channels === 'number' ? channels : shapeError('a layer', 'a known number of channels', [x])
}
