import type { Config, ModelConfig } from '../config/config.ts'
import { withoutPaths } from '../config/without-paths.ts'
import type { Canvas } from '../models/index.ts'
import type { LayerInfo } from '../moe/index.ts'
import { isDetector } from '../tasks/detection/detector-of.ts'
import { imagesInput, type ModelForm, weightsOutput } from './export-model.ts'
import type { ModelMetadata } from './metadata.ts'
import type { DataFacts } from './run-facts.ts'

/** A run, as far as its exported model tells of it. */
export interface DescribedRun {
  readonly config: Config
  readonly checkpoint: { readonly step: number }
  readonly recipe: string
  readonly data: DataFacts
  /** On held-out images, from 0 to 1; undefined where this checkpoint was not tested. */
  readonly accuracy: ModelMetadata['accuracy']
  readonly cocoMetrics: ModelMetadata['coco_metrics']
  readonly measures: ModelMetadata['measures']
  readonly captions: ModelMetadata['captions']
  readonly task: ModelMetadata['task']
  /** Version of Moiety. */
  readonly version: string
}

/**
 * Metadata of an exported model: facts of the run, and the chosen form.
 *
 * @param layers - the mixtures of experts, in order
 * @param canvas - of a detector; undefined for a classifier
 */
export function describeModel(
  {
    config,
    checkpoint,
    recipe,
    data,
    accuracy,
    cocoMetrics,
    measures,
    captions,
    task,
    version,
  }: DescribedRun,
  form: ModelForm,
  layers: readonly LayerInfo[],
  canvas?: Canvas,
): ModelMetadata {
  const { classes, superclasses, superclassOf, normalisation } = data
  return {
    moiety_version: version,
    task,
    recipe,
    step: checkpoint.step,
    routing: form.routing,
    input: {
      name: imagesInput,
      dtype: form.uint8 ? 'uint8' : 'float32',
      layout: form.channelsLast ? 'NHWC' : 'NCHW',
      size: data.size,
      ...(canvas === undefined ? {} : { canvas }),
      batch: form.batch,
    },
    normalisation: normalisation && { ...normalisation, inside: form.uint8 },
    classes,
    superclasses,
    superclass_of: superclassOf,
    detection: detectionOf(config, data),
    layers: describeLayers(config.model, layers),
    captions: Object.fromEntries(
      layers.flatMap(({ name }) => {
        const known = captions[name]
        return known === undefined ? [] : [[name, known]]
      }),
    ),
    accuracy,
    coco_metrics: cocoMetrics,
    measures,
    config: withoutPaths(config),
  }
}

function detectionOf({ model, data: { size, shortest } }: Config, { detection }: DataFacts) {
  if (!isDetector(model) || detection === undefined) return undefined
  const { score, iou, maxPerClass } = model.detector.detections
  return {
    category_ids: detection.categoryIds,
    size_factor: detection.sizeFactor,
    longest: size,
    shortest,
    score,
    iou,
    max_per_class: maxPerClass,
  }
}

/** Mixtures in network order: those of the stages from the stem on, whatever their order in the configuration, then those of the heads. */
function describeLayers(model: ModelConfig, layers: readonly LayerInfo[]): ModelMetadata['layers'] {
  const inOrder = [...model.moe].sort((a, b) => a.position - b.position)
  const heads = model.detector?.mixture
  return layers.map(({ name, experts, k, inputs, constraint: own }, i) => {
    const output = weightsOutput(name)
    const stage = inOrder[i]
    if (stage !== undefined) {
      const { position, style, weighting, constraint } = stage
      return { name, output, position, style, experts, k, weighting, constraint: constraint.name }
    }
    if (heads === undefined || heads === null)
      return { name, output, position: null, style: null, experts, k, weighting: null, constraint: own }
    const { part, weighting, constraint } = heads
    const ofHead = { weighting, constraint: constraint.name }
    return { name, output, position: null, levels: inputs, style: part, experts, k, ...ofHead }
  })
}
