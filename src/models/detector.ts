import type { Tensor } from '../graph/index.ts'
import type { DispatchName, RoutingOverride } from '../moe/index.ts'
import type { Scope } from '../nn/index.ts'
import type { DetectorConfig, HeadMixtureConfig, ModelConfig } from '../run/config.ts'
import { backboneOf, constraintOf, gateOf } from './classifier.ts'
import {
  type Anchors,
  anchorsOf,
  type Canvas,
  type HeadMixture,
  pyramidStrides,
  type RetinaNetResult,
  retinanet,
} from './detection/index.ts'

/** Builds a detector at a scope: images [N, 3, H, W] to what it says of every anchor. */
export type Detector = (scope: Scope, images: Tensor) => RetinaNetResult

/** The configuration of a model that is a detector. */
export type DetectorModelConfig = ModelConfig & { readonly detector: DetectorConfig }

/** Whether a model is a detector. */
export function isDetector(model: ModelConfig): model is DetectorModelConfig {
  return model.detector !== null
}

/** What the configuration of a detector does not say. */
export interface DetectorOptions {
  readonly classes: number
  /** How the mixtures route instead of as trained (analysis): all of them, backbone and heads. */
  readonly override?: RoutingOverride | undefined
  /** How all mixtures send images and levels to experts, instead of as configured. */
  readonly dispatch?: DispatchName | undefined
}

/** The detector that a configuration describes. */
export function detectorOf(
  { detector, ...network }: DetectorModelConfig,
  { classes, override, dispatch }: DetectorOptions,
): Detector {
  const { channels, headDepth, anchors, mixture, freeze } = detector
  const backbone = backboneOf(network, { override, dispatch })
  return (scope, images) =>
    retinanet(scope, images, {
      backbone,
      classes,
      channels,
      headDepth,
      anchors,
      mixture: mixture === null ? null : headMixture(mixture, override, dispatch),
      freeze,
    })
}

/** The anchors of a detector on a canvas. */
export function anchorsFor({ detector, stem }: DetectorModelConfig, canvas: Canvas): Anchors {
  return anchorsOf(canvas, pyramidStrides(stem), detector.anchors)
}

function headMixture(
  config: HeadMixtureConfig,
  override: RoutingOverride | undefined,
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
    override,
  }
}
