import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { type SplitName, splitNamed } from '../data/index.ts'
import { version } from '../files/version.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readPlan } from '../run/extensions.ts'
import { readEnvironment } from '../run/run-folder.ts'
import { accuracyOf } from '../tasks/classification/accuracy.ts'
import { ClassificationTask } from '../tasks/classification/classification-task.ts'
import {
  checkpointIdentity,
  configurationIdentity,
  type DataChoice,
  engineOf,
  type OpenedRun,
  type OpenOptions,
  openTrainedRun,
} from '../tasks/open-run.ts'
import type { Variant } from '../tasks/variants.ts'
import { affinityOf } from './affinity.ts'
import { agreementOf } from './agreement.ts'
import type { Findings, LayerFindings } from './findings.ts'
import { countsOf, layerFindings, type Thoroughness } from './layer-findings.ts'
import { type PictureOfImage, picturesOf } from './pictures.ts'
import { type RoutingRecords, routingRecords } from './routing-records.ts'
import { routingTable } from './routing-table.ts'
import { logOf } from './training-history.ts'

/** Which run to explain, on what, and how thoroughly. */
export interface ExplainOptions extends Partial<Thoroughness> {
  /** The run's folder; its newest checkpoint is explained. */
  readonly run: string
  /** Another run on the same classes, whose experts are matched to this one's. */
  readonly against?: string
  /** Another data set with the same classes, instead of the one it was trained on. */
  readonly data?: DataChoice
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number
  /** Told how everything comes along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal
}

/** What was found, and what to write. */
export interface Explanation {
  readonly findings: Findings
  /** The images of the galleries. */
  readonly pictures: readonly PictureOfImage[]
  /** `routing.parquet` */
  readonly table: Uint8Array
}

const thorough: Thoroughness = { permutations: 1000, gallery: 24, mapped: 2000, seed: 0 }

/**
 * Routes a split through a trained network once and finds out who does what (METHOD.md §6).
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, data with other classes, or an
 *   `against` without a layer in the same place; `diverged` where what the network computes is not finite; `data`; `disk`
 *   for a damaged checkpoint
 */
export async function explainRun(options: ExplainOptions): Promise<Explanation> {
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const how: Thoroughness = {
    permutations: options.permutations ?? thorough.permutations,
    gallery: options.gallery ?? thorough.gallery,
    mapped: options.mapped ?? thorough.mapped,
    seed: options.seed ?? thorough.seed,
  }
  const trained = await openClassifier(options.run, { split: options.split, onEvent, data: options.data })
  const { task, split } = trained
  const { config, data: dataset } = task
  const other =
    options.against === undefined
      ? undefined
      : await openClassifier(options.against, {
          split,
          onEvent,
          data: config.data,
          check: sharesLayers(config),
        })
  const route = async (one: ClassifierRun, what: string, variants?: readonly Variant[]) => {
    const engine = await engineOf({ config: one.task.config, checkpoint: one.checkpoint }, options.threads)
    try {
      onEvent({ kind: 'progress', what, done: 0, total: 1 })
      const results = await one.task.withVariants(engine, split, { onEvent, ...(variants && { variants }) })
      return routingRecords(results.trained, results.variants, splitNamed(one.task.data, split).coarse)
    } finally {
      await engine.stop()
    }
  }
  const records = await route(trained, 'routing images')
  const matched = other && (await route(other, `routing images of ${basename(resolve(other.run))}`, []))

  const log = logOf(options.run, trained.checkpoint.step, onEvent)
  const configs = config.model.moe.toSorted((a, b) => a.position - b.position)
  const layers: LayerFindings[] = []
  for (const [i, layer] of records.layers.entries()) {
    const found = await layerFindings({
      ...how,
      records,
      layer,
      config: configs[i]!,
      dataset,
      log,
      onProgress: (what, done, total) =>
        onEvent({ kind: 'progress', what: `${layer.name}: ${what}`, done, total }),
    })
    layers.push({ ...found, agreement: agreement(found, matched, options.against, how) })
  }
  const findings: Findings = {
    version: 2,
    run: describeRun(trained),
    data: { ...describeData(trained, split, records), given: options.data !== undefined },
    accuracy: {
      top1: records.top1,
      top5: records.top5,
      loss: records.loss,
      perClass: accuracyOf(records.predictions[0]!, records.labels, dataset.classes.length).perClass,
      chance: 1 / dataset.classes.length,
    },
    layers,
  }
  const shown = new Set(layers.flatMap(({ experts }) => experts.flatMap(({ gallery }) => gallery)))
  const pictures = await picturesOf(
    [...shown].sort((a, b) => a - b),
    {
      split: splitNamed(dataset, split),
      size: dataset.size,
      records,
      positions: configs.map(({ position }) => position),
    },
  )
  return { findings, pictures, table: routingTable(records, dataset) }
}

/** An opened run of a classifier. */
interface ClassifierRun extends OpenedRun {
  readonly task: ClassificationTask
}

async function openClassifier(run: string, options: OpenOptions): Promise<ClassifierRun> {
  const opened = await openTrainedRun(run, options)
  const { task } = opened
  if (task instanceof ClassificationTask) return { ...opened, task }
  return fail({
    kind: 'usage',
    message: `expected the run of a classifier, got one of the task ${task.kind.name}`,
    where: run,
    help: 'give the run of a classifier',
  })
}

/** Refuses to compare with a run that has none of this run's layers. */
function sharesLayers(own: Config): (other: Config) => void {
  const places = ({ model }: Config): string[] =>
    model.moe.map(({ position, style }) => `${position} ${style === 'conv'}`)
  return other => {
    const here = new Set(places(own))
    if (places(other).some(place => here.has(place))) return
    fail({
      kind: 'usage',
      message:
        here.size === 0
          ? 'the run has no mixture of experts whose roles could be compared'
          : 'the other run has no mixture of experts at a position where this one has one',
      where: '--against',
      help: 'compare runs that have a layer in the same place',
    })
  }
}

function agreement(
  { name, byClass }: Pick<LayerFindings, 'name' | 'byClass'>,
  other: RoutingRecords | undefined,
  against: string | undefined,
  { seed }: Thoroughness,
): LayerFindings['agreement'] {
  const layer = other?.layers.find(candidate => candidate.name === name)
  if (other === undefined || layer === undefined || against === undefined) return null
  const theirs = affinityOf(layer, other.labels, byClass.weight.length)
  return agreementOf(byClass.weight, theirs.weight, {
    against: basename(resolve(against)),
    seed,
    permutations: 200,
  })
}

function describeRun({ run, task, checkpoint }: ClassifierRun): Findings['run'] {
  const { config } = task
  const { description, parameters, activeParameters } = task.facts
  const extensions = readPlan(checkpoint.extra)?.extensions ?? []
  return {
    name: basename(resolve(run)),
    recipe: readEnvironment(run)?.recipe ?? null,
    step: checkpoint.step,
    checkpoint: checkpointIdentity(checkpoint),
    configuration: configurationIdentity(config, extensions),
    epochs: config.training.epochs,
    extensions: [...extensions],
    seed: config.seed,
    model: description,
    parameters,
    activeParameters,
    moiety: version,
  }
}

function describeData(
  { task }: ClassifierRun,
  split: SplitName,
  records: RoutingRecords,
): Omit<Findings['data'], 'given'> {
  const { title, size, classes, superclasses, superclassOf } = task.data
  return {
    title,
    identity: task.identity.labels,
    files: task.data.content ?? null,
    split,
    images: records.images,
    size,
    classes: [...classes],
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf: superclassOf === undefined ? null : superclassOf.map(group => (group < 0 ? null : group)),
    perClass: countsOf(records.labels, classes.length),
  }
}
