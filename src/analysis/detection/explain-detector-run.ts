import { basename, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import type { SplitName } from '../../data/index.ts'
import { splitNamed } from '../../data/index.ts'
import { version } from '../../files/version.ts'
import type { Measures, TrainEvent } from '../../run/events.ts'
import { readEnvironment } from '../../run/run-folder.ts'
import { DetectionTask } from '../../tasks/detection/detection-task.ts'
import { sizesOf } from '../../tasks/detection/evaluate-detector.ts'
import type { DetectorRecords } from '../../tasks/detection/records.ts'
import {
  checkpointIdentity,
  configurationIdentity,
  type DataChoice,
  engineOf,
  type OpenedRun,
  type OpenOptions,
  openTrainedRun,
} from '../../tasks/open-run.ts'
import type { Variant } from '../../tasks/variants.ts'
import type { Findings } from '../findings.ts'
import { countsOf } from '../layer-findings.ts'
import { logOf, overTraining } from '../training-history.ts'
import { detectorRoutingTable, objectsTable } from './detector-tables.ts'
import type { DetectorFindings, DetectorLayerFindings, PrecisionStats } from './findings.ts'
import { detectorLayerFindings } from './layer-findings.ts'
import { chooseScenes } from './scene-choice.ts'
import { type PictureOfScene, scenePictures } from './scene-pictures.ts'
import { sizeClassOf } from './sizes.ts'

/** Which detector's run to explain, on what, and how thoroughly. */
export interface ExplainDetectorOptions {
  /** The run's folder; its newest checkpoint is explained. */
  readonly run: string
  /** Other images with boxes of the same classes, instead of those it was trained on. */
  readonly data?: DataChoice
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number
  /** Permutations of each test; 2,000 unless told. */
  readonly permutations?: number
  /** Scenes to show; 8 unless told. */
  readonly scenes?: number
  /** Of everything that is drawn at random here. */
  readonly seed?: number
  /** Told how everything comes along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work at the next batch. */
  readonly signal?: AbortSignal
}

/** What was found, and what to write. */
export interface DetectorExplanation {
  readonly findings: DetectorFindings
  readonly scenes: readonly PictureOfScene[]
  /** `routing.parquet` */
  readonly routing: Uint8Array
  /** `objects.parquet` */
  readonly objects: Uint8Array
}

/**
 * Looks for the objects of a split with a trained detector, as trained and with other experts at work at each of its
 * mixtures, and finds out who does what (METHOD.md §5.5). Undefined if `signal` came first.
 *
 * @throws MoietyError `usage` for a folder that is no detector's run, a run without a checkpoint, or data with other classes;
 *   `diverged` where what the network computes is not finite; `data`; `disk` for a damaged checkpoint
 */
export async function explainDetectorRun(
  options: ExplainDetectorOptions,
): Promise<DetectorExplanation | undefined> {
  const { permutations = 2000, seed = 0, signal, onEvent = () => undefined } = options
  const trained = await openDetector(options.run, { split: options.split, onEvent, data: options.data })
  const { task, split, checkpoint } = trained
  const { config, data: dataset } = task
  const engine = await engineOf({ config, checkpoint }, options.threads)
  try {
    const { trained: records, variants } = await task.withVariants(engine, split, { onEvent })
    const log = logOf(options.run, checkpoint.step, onEvent)
    const layers: DetectorLayerFindings[] = []
    for (const [index, layer] of records.routing.entries()) {
      const { place, constraint } = task.mixtures[index]!
      const found = await detectorLayerFindings({
        records,
        index,
        sizes: sizesOf(dataset),
        classes: dataset.classes.length,
        permutations,
        seed,
        signal,
        onProgress: (what, done, total) =>
          onEvent({ kind: 'progress', what: `${layer.name}: ${what}`, done, total }),
      })
      if (found === undefined) return undefined
      const of = (kind: Variant['kind']): PrecisionStats[] =>
        variants.flatMap(({ variant, measures }) =>
          variant.kind === kind && 'place' in variant && variant.place === place ? [statsOf(measures)] : [],
        )
      layers.push({
        ...found,
        place,
        constraint,
        variants: { single: of('single'), without: of('without'), byK: of('k'), equal: of('equal')[0]! },
        overTraining: overTraining(log, layer.name),
      })
    }

    const scenes = chooseScenes(records, records.routing[mostOfSizes(layers)], options.scenes ?? 8)
    return {
      findings: {
        kind: 'detector',
        version: 2,
        run: describeRun(trained),
        data: describeData(trained, split, records),
        loss: records.loss,
        stats: { ...records.evaluation.stats },
        perCategory: records.evaluation.perCategory.map(
          ({ id: _, name: __, perIoU: ___, crowds: ____, ...numbers }, label) => ({
            class: label,
            ...numbers,
          }),
        ),
        layers,
        scenes: { images: [...scenes.images], score: scenes.score },
      },
      scenes: await scenePictures(scenes.images, scenes.score, {
        split: splitNamed(dataset, split),
        records,
      }),
      routing: detectorRoutingTable(records, dataset.classes),
      objects: objectsTable(records, dataset.classes, sizesOf(dataset)),
    }
  } finally {
    await engine.stop()
  }
}

/** An opened run of a detector. */
interface DetectorRun extends OpenedRun {
  readonly task: DetectionTask
}

async function openDetector(run: string, options: OpenOptions): Promise<DetectorRun> {
  const opened = await openTrainedRun(run, options)
  const { task } = opened
  if (task instanceof DetectionTask) return { ...opened, task }
  return fail({
    kind: 'usage',
    message: `expected the run of a detector, got one of the task ${task.kind.name}`,
    where: run,
    help: 'give the run of a detector',
  })
}

/** COCO's twelve numbers among a variant's measures. */
function statsOf(measures: Measures): PrecisionStats {
  const names = [
    'AP',
    'AP50',
    'AP75',
    'APs',
    'APm',
    'APl',
    'AR1',
    'AR10',
    'AR100',
    'ARs',
    'ARm',
    'ARl',
  ] as const
  return Object.fromEntries(names.map(name => [name, measures[name] ?? null])) as PrecisionStats
}

/** The layer whose experts sizes go with most: what scenes are chosen by. */
function mostOfSizes(layers: readonly DetectorLayerFindings[]): number {
  const bits = layers.map(({ sizes }) => sizes.tests?.information.value ?? 0)
  return Math.max(0, bits.indexOf(Math.max(...bits)))
}

function describeRun({ run, task, checkpoint }: DetectorRun): Findings['run'] {
  const { config } = task
  const { description, parameters, activeParameters } = task.facts
  return {
    name: basename(resolve(run)),
    recipe: readEnvironment(run)?.recipe ?? null,
    step: checkpoint.step,
    checkpoint: checkpointIdentity(checkpoint),
    configuration: configurationIdentity(config),
    epochs: config.training.epochs,
    seed: config.seed,
    model: description,
    parameters,
    activeParameters,
    moiety: version,
  }
}

function describeData(
  { task }: DetectorRun,
  split: SplitName,
  { images, objects, evaluation }: DetectorRecords,
): DetectorFindings['data'] {
  const { title, classes, superclasses, superclassOf, canvases } = task.data
  const sizes = sizesOf(task.data)
  const perSize: [number, number, number] = [0, 0, 0]
  for (const { area } of objects) perSize[sizeClassOf(area, sizes)]! += 1
  return {
    title,
    identity: task.identity.labels,
    split,
    images,
    canvases: canvases.map(([height, width]) => [height, width]),
    classes: [...classes],
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf: superclassOf === undefined ? null : [...superclassOf],
    perClass: countsOf(
      Int32Array.from(objects, ({ label }) => label),
      classes.length,
    ),
    sizes: [...sizes],
    perSize,
    crowds: evaluation.counts.crowds,
    changes: [...(task.data[split]?.changes ?? [])],
  }
}
