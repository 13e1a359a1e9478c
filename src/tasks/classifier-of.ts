import type { ConstraintConfig, MoeLayerConfig, NetworkConfig } from '../config/config.ts'
import type { Tensor } from '../graph/index.ts'
import { type BackboneOptions, type EmbeddedMoe, embed, type ResNetResult, resnet } from '../models/index.ts'
import {
  type Constraint,
  type ConstraintDefinition,
  constraints,
  type DispatchName,
  type Gate,
  type GateDefinition,
  gates,
  type RoutingOverride,
} from '../moe/index.ts'
import { kaimingNormal, kaimingUniform, type Scope } from '../nn/index.ts'
import type { PlacedOverrides, RoutingOverrides } from './variants.ts'

/** What the configuration of a model does not say. */
export interface ModelOptions {
  readonly classes: number
  /** How mixtures route instead of as trained (analysis): all of them, or those at the positions that are keys. */
  readonly override?: RoutingOverrides | undefined
  /** How all mixtures send images to experts, instead of as configured. */
  readonly dispatch?: DispatchName | undefined
}

/** The network that a configuration describes. */
export function classifierOf(
  config: NetworkConfig,
  { classes, override, dispatch }: ModelOptions,
): (scope: Scope, images: Tensor) => ResNetResult {
  const backbone = backboneOf(config, { override, dispatch })
  return (scope, images) => resnet(scope, images, { ...backbone, classes })
}

/** The ResNet that a configuration describes, with the mixtures of experts in its stages. */
export function backboneOf(
  config: NetworkConfig,
  { override, dispatch }: Omit<ModelOptions, 'classes'>,
): BackboneOptions {
  const layers = config.moe.map(layer =>
    embedded(layer, isByPosition(override) ? override.get(layer.position) : override, dispatch),
  )
  const { name, stem, width } = config
  const kernels = config.initialisation === 'fan-out' ? kaimingNormal : kaimingUniform
  const frozen = new Set(config.freeze ?? [])
  return { name, stem, width, stemKernels: kernels, frozen, ...embed(name, width, layers, kernels) }
}

function isByPosition(override: ModelOptions['override']): override is PlacedOverrides {
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
    gate: gateOf(layer),
    constraint: constraintOf(constraint),
    weighting: layer.weighting,
    dispatch,
    noise: layer.noise,
    lift: 'lift' in constraint ? constraint.lift : null,
    ...(override === undefined ? {} : { override }),
  }
}

/** The gate that a configuration names; options of one that comes with Moiety are keys of the layer. */
export function gateOf(layer: Pick<MoeLayerConfig, 'gate' | 'gateWidth'>): Gate {
  const { name, ...options } = typeof layer.gate === 'string' ? { ...layer, name: layer.gate } : layer.gate
  const gate: GateDefinition = gates.get(String(name))
  return gate.create(only(options, gate.options))
}

/** The constraint that a configuration names. */
export function constraintOf({ name, ...config }: ConstraintConfig): Constraint {
  const constraint: ConstraintDefinition = constraints.get(name)
  return constraint.create(only(config, constraint.options))
}

/** The members of a configuration that are a component's own options. */
function only(config: object, options: object): object {
  return Object.fromEntries(Object.entries(config).filter(([key]) => Object.hasOwn(options, key)))
}
