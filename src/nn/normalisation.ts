import {
  add,
  channelAffine,
  mul,
  reshape,
  shapeError,
  standardise,
  type Tensor,
  transpose,
} from '../graph/index.ts'
import { ones, zeros } from './initialise.ts'
import { channelsOf } from './layers.ts'
import type { Scope } from './scope.ts'

/** Defaults are torch's. */
export interface NormOptions {
  readonly epsilon?: number
}

/**
 * Layer normalisation (Ba, Kiros & Hinton 2016) over the last axis, torch's LayerNorm(C): parameters `weight` and `bias` [C].
 *
 * @param x - [..., C]
 * @throws MoietyError (usage) for an unknown C
 */
export function layerNorm(scope: Scope, x: Tensor, { epsilon = 1e-5 }: NormOptions = {}): Tensor {
  const channels = x.dim(-1)
  if (typeof channels !== 'number' || x.rank < 2)
    return shapeError('layerNorm', 'x [..., C] with a known number of channels', [x])
  const scale = scope.parameter('weight', [channels], ones)
  const shift = scope.parameter('bias', [channels], zeros)
  return add(mul(standardise(x, x.rank - 1, epsilon), scale), shift)
}

/**
 * Layer normalisation over the channels at each position of x [N, C, H, W], as in ConvNeXt (Liu et al. 2022; torchvision's
 * LayerNorm2d): parameters `weight` and `bias` [C].
 *
 * @throws MoietyError (usage) for an unknown number of channels
 */
export function layerNorm2d(scope: Scope, x: Tensor, { epsilon = 1e-6 }: NormOptions = {}): Tensor {
  const last = layerNorm(scope, transpose(x, [0, 2, 3, 1]), { epsilon })
  return transpose(last, [0, 3, 1, 2])
}

/**
 * Group normalisation (Wu & He 2018): channels in groups, each normalised to mean 0 and variance 1 over its channels and
 * positions for each image. Parameters `weight` and `bias` [C]. With as many groups as channels it is instance
 * normalisation, with one group layer normalisation over [C, H, W].
 *
 * @param x - [N, C, H, W] with known C, H and W
 * @throws MoietyError (usage) for groups that do not divide the channels
 */
export function groupNorm(
  scope: Scope,
  x: Tensor,
  { groups, epsilon = 1e-5 }: NormOptions & { readonly groups: number },
): Tensor {
  const channels = channelsOf(x)
  const [images, , height, width] = x.shape
  const isKnown = typeof height === 'number' && typeof width === 'number'
  if (x.rank !== 4 || !isKnown || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0)
    return shapeError(`groupNorm with ${groups} groups`, 'x [N, C, H, W] with C a multiple of the groups', [
      x,
    ])
  const grouped = reshape(x, [images!, groups, (channels / groups) * height * width])
  const normal = reshape(standardise(grouped, 2, epsilon), x.shape)
  return channelAffine(
    normal,
    scope.parameter('weight', [channels], ones),
    scope.parameter('bias', [channels], zeros),
  )
}
