import type { State } from '../base/tensor.ts'
import { Graph, reshape, type Tensor, transpose } from '../graph/index.ts'
import { anchorConstant, type Canvas, detections } from '../models/index.ts'
import { layerInfo, type MoeStatistics } from '../moe/index.ts'
import { Scope } from '../nn/index.ts'
import {
  anchorsFor,
  type DetectorModelConfig,
  detectionsOf,
  detectorOf,
} from '../tasks/detection/detector-of.ts'
import {
  type ExportedModel,
  type ModelForm,
  preprocessed,
  weightsOutput,
  withParameters,
} from './export-model.ts'
import type { Normalisation } from './run-facts.ts'

/** A trained detector, to be exported with its parameters. */
export interface TrainedDetector {
  readonly model: DetectorModelConfig
  readonly classes: number
  /** Height and width in pixels of what the network reads. Anchors are constants of a file, so it has one canvas. */
  readonly canvas: Canvas
  readonly state: State
  readonly normalisation: Normalisation | undefined
}

/** The outputs of a detector's file, without the weights of its mixtures, in order. */
export const detectionOutputs = ['boxes', 'scores', 'labels', 'image'] as const

/**
 * Builds a detector for inference, its parameters and anchors inside, decoding and non-maximum suppression included.
 *
 * Its input is `images`; its outputs are `boxes` float32 [M, 4] (x1, y1, x2, y2 in pixels of the canvas), `scores` float32
 * [M], `labels` int64 [M] and `image` int64 [M], the place in the batch: by image, then label, then descending score. M may
 * be 0. For every mixture of experts `NAME.weights`: [N, levels, E] in a head (P3 first), [N, E] in the backbone; 0 for an
 * expert that was not chosen.
 *
 * @throws MoietyError `usage` for uint8 where the normalisation is not known, or a model too large for one file; `disk` for
 *   a state that does not fit the model
 */
export function exportedDetector(trained: TrainedDetector, form: ModelForm): ExportedModel {
  const { model, classes, canvas, state, normalisation } = trained
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = preprocessed(graph, canvas, form, normalisation)
  const said = detectorOf(model, { classes, dispatch: form.routing })(scope, images)
  const anchors = anchorConstant(graph, anchorsFor(model, canvas).boxes)
  const found = detections(said.classes, said.boxes, anchors, canvas, detectionsOf(model.detector))
  const wanted = new Map([
    ...detectionOutputs.map(name => [name, found[name]] as const),
    ...said.stats.map(one => [weightsOutput(one.name), byImage(one, images)] as const),
  ])
  return { ...withParameters(wanted, scope.declarations, state), layers: said.stats.map(layerInfo) }
}

/** Weights [inputs · N, E], whose row is input · N + image, as [N, inputs, E]; unchanged if there is one input. */
function byImage({ inputs, experts, routing }: MoeStatistics, images: Tensor): Tensor {
  if (inputs === 1) return routing.weights
  return transpose(reshape(routing.weights, [inputs, images.dim(0), experts]), [1, 0, 2])
}
