import { add, Graph, lower, mul, type Program } from '../../graph/index.ts'
import { checkedDetection } from '../../models/check-outputs.ts'
import {
  type Anchors,
  anchorConstant,
  anchorTargetInputs,
  type DetectionsOptions,
  type Detector,
  detectionLosses,
  detections,
  weightedLosses,
} from '../../models/index.ts'
import { type LayerInfo, layerInfo } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'
import { routingOutputs } from '../routing.ts'

/** A detector that can be run on images of one form, and its mixtures of experts in order. */
export interface DetectorProgram {
  readonly program: Program
  readonly layers: readonly LayerInfo[]
}

/** What a detector's program depends on besides its parameters. */
export interface DetectorProgramOptions {
  readonly detector: Detector
  readonly anchors: Anchors
  /** N images on a canvas of these extents in pixels. */
  readonly form: { readonly images: number; readonly height: number; readonly width: number }
  readonly detections: DetectionsOptions
  /** What the boxes' loss is multiplied by. */
  readonly boxWeight: number
  /** How far from 0 and 1 the focal loss keeps probabilities; null: only as far as float32 needs it. */
  readonly scoreClamp?: number | null
}

/**
 * A detector as a program for N images.
 *
 * Fed: `images` float32 [N, 3, H, W], `classTargets` int64 [N, A], `boxTargets` float32 [N, A, 4]. Given: what
 * `detections` finds (`boxes`, `scores`, `labels`, `image`, `anchor`), `loss` summed over images, and per layer
 * `NAME.weights` [inputs · N, E] (row = input · N + image) and its constraint's counters.
 */
export function detectorProgram({
  detector,
  anchors,
  form,
  ...options
}: DetectorProgramOptions): DetectorProgram {
  const { images: count, height, width } = form
  const total = anchors.boxes.length / 4
  const graph = new Graph()
  const images = graph.input('images', 'float32', [count, 3, height, width])
  const said = detector(Scope.root(graph, { training: false }), images)
  const { classes, boxes, stats } = checkedDetection(said, images, total)
  const targets = anchorTargetInputs(graph, [count, total], Number(classes.value.dim(2)))
  const { classification, regression } = weightedLosses(
    detectionLosses(classes, boxes, targets, { clamp: options.scoreClamp ?? null }),
    options.boxWeight,
  )
  const found = detections(
    classes,
    boxes,
    anchorConstant(graph, anchors.boxes),
    [height, width],
    options.detections,
  )
  const outputs = new Map([
    ...Object.entries(found),
    ['loss', mul(add(classification, regression), count)],
    ...routingOutputs(stats),
  ])
  return { program: lower(outputs), layers: stats.map(layerInfo) }
}
