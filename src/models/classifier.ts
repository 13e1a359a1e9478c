import type { Tensor } from '../graph/index.ts'
import {
  type Constraint,
  convGapFc,
  type DispatchName,
  entropy,
  gapFc,
  importance,
  kl,
  load,
  lossFree,
  meanImportance,
  none,
  type RoutingOverride,
  relative,
  switchLoss,
  zLoss,
} from '../moe/index.ts'
import type { Scope } from '../nn/index.ts'
import type { ConstraintConfig, ModelConfig, MoeLayerConfig } from '../run/config.ts'
import { type Classification, type EmbeddedMoe, embed, type ResNetResult, resnet } from './index.ts'

/** Builds a classifier at a scope: images [N, 3, S, S] to logits, losses and routing statistics. */
export type Classifier = (scope: Scope, images: Tensor) => Classification

/** What the configuration of a model does not say. */
export interface ModelOptions {
  readonly classes: number
  /** How mixtures route instead of as trained (analysis): all of them, or those at the positions that are keys. */
  readonly override?: RoutingOverride | ReadonlyMap<number, RoutingOverride> | undefined
  /** How all mixtures send images to experts, instead of as configured. */
  readonly dispatch?: DispatchName
}

/** The network that a configuration describes. */
export function classifierOf(
  config: ModelConfig,
  { classes, override, dispatch }: ModelOptions,
): (scope: Scope, images: Tensor) => ResNetResult {
  const layers = config.moe.map(layer =>
    embedded(layer, isByPosition(override) ? override.get(layer.position) : override, dispatch),
  )
  return (scope, images) =>
    resnet(scope, images, {
      name: config.name,
      stem: config.stem,
      width: config.width,
      classes,
      ...embed(config.name, config.width, layers),
    })
}

function isByPosition(override: ModelOptions['override']): override is ReadonlyMap<number, RoutingOverride> {
  return override instanceof Map
}

function embedded(
  layer: MoeLayerConfig,
  override: RoutingOverride | undefined,
  dispatch: DispatchName = layer.dispatch,
): EmbeddedMoe {
  const { constraint } = layer
  return {
    position: layer.position,
    style: layer.style,
    experts: layer.experts,
    k: layer.k,
    expertWidth: layer.expertWidth,
    gate: layer.gate === 'gap-fc' ? gapFc : convGapFc(layer.gateWidth),
    constraint: constraintOf(constraint),
    weighting: layer.weighting,
    dispatch,
    noise: layer.noise,
    lift: 'lift' in constraint ? constraint.lift : null,
    ...(override === undefined ? {} : { override }),
  }
}

/** The constraint that a configuration names. */
export function constraintOf(config: ConstraintConfig): Constraint {
  switch (config.name) {
    case 'none':
      return none()
    case 'importance':
      return importance(config)
    case 'kl':
      return kl(config)
    case 'relative':
      return relative(config)
    case 'mean':
      return meanImportance(config)
    case 'load':
      return load(config)
    case 'switch':
      return switchLoss(config)
    case 'entropy':
      return entropy(config)
    case 'z-loss':
      return zLoss(config)
    case 'loss-free':
      return lossFree(config)
  }
}
