import type { DetectorConfig, HeadMixtureConfig, ModelConfig } from '../../config/config.ts'
import {
  type Anchors,
  anchorsOf,
  type Canvas,
  type DetectionsOptions,
  type Detector,
  type Deviations,
  type HeadGate,
  type HeadMixture,
  type MatchingOptions,
  pyramidStrides,
  retinanet,
} from '../../models/detection/index.ts'
import type { DispatchName, RoutingOverride } from '../../moe/index.ts'
import { backboneOf, constraintOf, gateOf } from '../classifier-of.ts'
import type { MixturePlace, RoutingOverrides } from '../variants.ts'

/** The configuration of a model that is a detector. */
export type DetectorModelConfig = ModelConfig & { readonly detector: DetectorConfig }

/** Whether a model is a detector. */
export function isDetector(model: ModelConfig): model is DetectorModelConfig {
  return model.detector !== null
}

/** The places of a detector's mixtures, in the order in which it tells of them. */
export function detectorPlaces({ moe, detector }: DetectorModelConfig): readonly MixturePlace[] {
  const backbone = moe.map(({ position }) => position).toSorted((a, b) => a - b)
  if (detector.mixture === null) return backbone
  const { heads, gates } = detector.mixture
  if (gates === 'shared') return [...backbone, 'shared']
  return [...backbone, ...(heads === 'both' ? (['classification', 'regression'] as const) : [heads])]
}

/** What the configuration of a detector does not say. */
export interface DetectorOptions {
  readonly classes: number
  /** How mixtures route instead of as trained (analysis): all of them, or those at the places that are keys. */
  readonly override?: RoutingOverrides | undefined
  /** How all mixtures send images and levels to experts, instead of as configured. */
  readonly dispatch?: DispatchName | undefined
}

/** The detector that a configuration describes. */
export function detectorOf(
  { detector, ...network }: DetectorModelConfig,
  { classes, override, dispatch }: DetectorOptions,
): Detector {
  const { channels, headDepth, anchors, mixture, freeze, initialisation, conventions } = detector
  const { everywhere, positions, gates } = places(override)
  const backbone = backboneOf(network, { override: everywhere ?? positions, dispatch })
  return (scope, images) =>
    retinanet(scope, images, {
      backbone,
      classes,
      channels,
      headDepth,
      anchors,
      mixture:
        mixture === null ? null : headMixture(mixture, { override: everywhere, overrides: gates }, dispatch),
      freeze,
      initialisation,
      p6From: conventions === 'torchvision' ? 'P5' : 'C5',
    })
}

/** The anchors of a detector on a canvas. */
export function anchorsFor({ detector, stem }: DetectorModelConfig, canvas: Canvas): Anchors {
  const placement = detector.conventions === 'torchvision' ? 'torchvision' : 'centred'
  return anchorsOf(canvas, pyramidStrides(stem), { ...detector.anchors, placement })
}

const noDeviations: Deviations = [1, 1, 1, 1]

/** How anchors are matched with objects and what they should say of them. */
export function matchingOf({ matching, conventions }: DetectorConfig): MatchingOptions {
  return conventions === 'torchvision' ? { ...matching, deviations: noDeviations } : matching
}

/** Which boxes are reported, and how they are coded. */
export function detectionsOf({ detections, conventions }: DetectorConfig): DetectionsOptions {
  return conventions === 'torchvision' ? { ...detections, deviations: noDeviations } : detections
}

function headMixture(
  config: HeadMixtureConfig,
  routing: Pick<HeadMixture, 'override' | 'overrides'>,
  dispatch: DispatchName | undefined,
): HeadMixture {
  const { heads, gates, part, priorBias, experts, k, weighting, noise, constraint } = config
  return {
    heads,
    gates,
    part,
    priorBias,
    experts,
    k,
    gate: gateOf(config),
    weighting,
    noise,
    constraint: constraintOf(constraint),
    lift: 'lift' in constraint ? constraint.lift : null,
    dispatch: dispatch ?? config.dispatch,
    capacityFactor: config.capacityFactor,
    ...routing,
  }
}

/** An override by where it applies: everywhere, or at positions of the backbone and gates of the heads. */
function places(override: RoutingOverrides | undefined): {
  readonly everywhere: RoutingOverride | undefined
  readonly positions: ReadonlyMap<number, RoutingOverride>
  readonly gates: ReadonlyMap<HeadGate, RoutingOverride>
} {
  const positions = new Map<number, RoutingOverride>()
  const gates = new Map<HeadGate, RoutingOverride>()
  if (override === undefined || 'kind' in override) return { everywhere: override, positions, gates }
  for (const [place, own] of override) {
    if (typeof place === 'number') positions.set(place, own)
    else {
      const gate = headGates.find(one => one === place)
      if (gate !== undefined) gates.set(gate, own)
    }
  }
  return { everywhere: undefined, positions, gates }
}

const headGates: readonly HeadGate[] = ['shared', 'classification', 'regression']
