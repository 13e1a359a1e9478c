import { createNamed } from '../base/component.ts'
import type { ConstraintConfig, MoeLayerConfig, NetworkConfig } from '../config/config.ts'
import { Graph, type Tensor } from '../graph/index.ts'
import { checkedClassification } from '../models/check-outputs.ts'
import {
  type BackboneOptions,
  type Classifier,
  type EmbeddedMoe,
  embed,
  type NetworkResult,
  type ResNetResult,
  resnet,
} from '../models/index.ts'
import { networks } from '../models/network.ts'
import {
  type Constraint,
  type ConstraintDefinition,
  constraints,
  type DispatchName,
  type Gate,
  type GateDefinition,
  gates,
  type RoutingOverride,
  withRouting,
} from '../moe/index.ts'
import { kaimingNormal, kaimingUniform, Scope } from '../nn/index.ts'
import type { Mixture, PlacedOverrides, RoutingOverrides } from './variants.ts'

/** What the configuration of a model does not say. */
export interface ModelOptions {
  readonly classes: number
  /** How mixtures route instead of as trained (analysis): all of them, or those at the positions that are keys. */
  readonly override?: RoutingOverrides | undefined
  /** How all mixtures send images to experts, instead of as configured. */
  readonly dispatch?: DispatchName | undefined
}

/** The network that a configuration describes. @throws MoietyError (usage) for a network of the user's own that is not known */
export function classifierOf(
  config: NetworkConfig,
  { classes, ...routing }: ModelOptions,
): (scope: Scope, images: Tensor) => ResNetResult {
  if (config.network !== undefined) {
    const build = createNamed(networks, config.network)
    const network = routed((scope, images) => build(scope, images, { classes }), routing)
    return (scope, images) => withFeatures(network(scope, images), images, classes)
  }
  const backbone = backboneOf(config, routing)
  return (scope, images) => resnet(scope, images, { ...backbone, classes })
}

/**
 * A network of the user's own, with its mixtures routing and dispatching as built or otherwise; their places are the names of their
 * scopes.
 */
export function routed<Result>(
  network: (scope: Scope, images: Tensor) => Result,
  { override, dispatch }: Omit<ModelOptions, 'classes'>,
): (scope: Scope, images: Tensor) => Result {
  const context = isByPlace(override)
    ? { overrides: new Map([...override].map(([place, own]) => [String(place), own])), dispatch }
    : { overrides: new Map<string, RoutingOverride>(), override, dispatch }
  return (scope, images) => network(withRouting(scope, context), images)
}

/** What a network of the user's own returned, checked. */
function withFeatures(result: NetworkResult, images: Tensor, classes: number): ResNetResult {
  const checked = checkedClassification(result, images, classes)
  return { ...checked, features: result.features ?? checked.logits }
}

/** What a network is built for. */
export interface NetworkInput {
  /** Height and width of an image, in pixels. */
  readonly size: number
  readonly classes: readonly string[]
}

/** The mixtures that a network of the user's own has, by the names of their scopes. */
export function builtMixtures(network: Classifier, { size }: Pick<NetworkInput, 'size'>): Mixture[] {
  const graph = new Graph()
  const images = graph.input('images', 'float32', [1, 3, size, size])
  const scope = Scope.root(graph, { training: false })
  const { stats } = checkedClassification(network(scope, images), images, null)
  return stats.map(({ name, experts, k, constraint }) => ({
    place: name,
    experts,
    k,
    constraint,
    style: null,
  }))
}

/** A network in words: `resnet18, width 64, cifar stem`. */
export function networkText({ network, name, stem, width }: NetworkConfig): string {
  return network === undefined ? `${name}, width ${width}, ${stem} stem` : network.name
}

/** The ResNet that a configuration describes, with the mixtures of experts in its stages. */
export function backboneOf(
  config: NetworkConfig,
  { override, dispatch }: Omit<ModelOptions, 'classes'>,
): BackboneOptions {
  const layers = config.moe.map(layer =>
    embedded(layer, isByPlace(override) ? override.get(layer.position) : override, dispatch),
  )
  const { name, stem, width } = config
  const kernels = config.initialisation === 'fan-out' ? kaimingNormal : kaimingUniform
  const frozen = new Set(config.freeze ?? [])
  return { name, stem, width, stemKernels: kernels, frozen, ...embed(name, width, layers, kernels) }
}

/**
 * The mixtures of the network that a configuration describes, in the order of its programs.
 *
 * @param data - its classes and the height and width of an image
 */
export function mixturesOf(config: NetworkConfig, data: NetworkInput): Mixture[] {
  if (config.network !== undefined)
    return builtMixtures(classifierOf(config, { classes: data.classes.length }), data)
  return embeddedMixtures(config)
}

/** The mixtures in the stages of a ResNet, from the stem on. */
export function embeddedMixtures({ moe }: Pick<NetworkConfig, 'moe'>): Mixture[] {
  return moe
    .toSorted((a, b) => a.position - b.position)
    .map(({ position, experts, k, constraint, style }) => ({
      place: position,
      experts,
      k,
      constraint: constraint.name,
      style,
    }))
}

function isByPlace(override: ModelOptions['override']): override is PlacedOverrides {
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
    capacityFactor: layer.capacityFactor,
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
