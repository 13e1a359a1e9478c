import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { type SplitName, splitNamed } from '../data/index.ts'
import { version } from '../files/version.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readEnvironment } from '../run/run-folder.ts'
import { identityOf } from '../tasks/data-identity.ts'
import {
  checkpointIdentity,
  configurationIdentity,
  type DataChoice,
  engineOf,
  openTrainedRun,
  type TrainedRun,
} from '../tasks/open-run.ts'
import { accuracyOf } from './accuracy.ts'
import { affinityOf } from './affinity.ts'
import { agreementOf } from './agreement.ts'
import type { Findings, LayerFindings } from './findings.ts'
import { countsOf, layerFindings, type Thoroughness } from './layer-findings.ts'
import { type PictureOfImage, picturesOf } from './pictures.ts'
import { type RoutingProgram, routingProgram } from './routing-program.ts'
import { type RoutingRecords, routeSplit, withVariants } from './routing-records.ts'
import { routingTable } from './routing-table.ts'
import { logOf } from './training-history.ts'
import { groupsOfVariants, type Variant, variantsOf } from './variants.ts'

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
  const trained = await openTrainedRun(options.run, {
    split: options.split,
    onEvent,
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { dataset, config, split } = trained
  const other =
    options.against === undefined
      ? undefined
      : await openTrainedRun(options.against, { split, onEvent, dataset, check: sharesLayers(config) })
  const route = async (one: TrainedRun, variants: readonly Variant[], what: string) =>
    await routed(one, variants, { split, threads: options.threads, what, onEvent })

  const { records, routing } = await route(trained, variantsOf(config.model), 'routing images')
  const matched =
    other && (await route(other, [{ kind: 'trained' }], `routing images of ${basename(resolve(other.run))}`))

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
    layers.push({ ...found, agreement: agreement(found, matched?.records, options.against, how) })
  }
  const findings: Findings = {
    version: 2,
    run: describeRun(trained, routing),
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

/** Sends a split through a run's network and its variants, those of one layer after those of another. */
async function routed(
  trained: TrainedRun,
  variants: readonly Variant[],
  options: {
    readonly split: SplitName
    readonly threads: number | undefined
    readonly what: string
    readonly onEvent: (event: TrainEvent) => void
  },
): Promise<{ records: RoutingRecords; routing: RoutingProgram }> {
  const { config, dataset } = trained
  const { split, what, onEvent } = options
  const engine = await engineOf(trained, options.threads)
  try {
    let records: RoutingRecords | undefined
    let routing: RoutingProgram | undefined
    const groups = groupsOfVariants(variants)
    for (const [i, group] of groups.entries()) {
      const turn = groups.length === 1 ? '' : ` (${i + 1} of ${groups.length} layers)`
      onEvent({ kind: 'progress', what: `preparing the network${turn}`, done: 0, total: 1 })
      const { model } = config
      const { classes, size } = dataset
      routing = routingProgram({ model, classes: classes.length, size, variants: group })
      const loaded = await engine.load(routing.program)
      const found = await routeSplit({
        dataset,
        split,
        variants: group,
        routing,
        loaded,
        batch: config.training.batch,
        onProgress: (done, total) => onEvent({ kind: 'progress', what: `${what}${turn}`, done, total }),
      })
      await loaded.release()
      records = records === undefined ? found : withVariants(records, found)
    }
    return { records: records!, routing: routing! }
  } finally {
    await engine.stop()
  }
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

function describeRun({ run, config, checkpoint }: TrainedRun, routing: RoutingProgram): Findings['run'] {
  const { name, stem, width } = config.model
  return {
    name: basename(resolve(run)),
    recipe: readEnvironment(run)?.recipe ?? null,
    step: checkpoint.step,
    checkpoint: checkpointIdentity(checkpoint),
    configuration: configurationIdentity(config),
    epochs: config.training.epochs,
    seed: config.seed,
    model: `${name}, width ${width}, ${stem} stem`,
    parameters: routing.parameters,
    activeParameters: routing.activeParameters,
    moiety: version,
  }
}

function describeData(
  { dataset }: TrainedRun,
  split: SplitName,
  records: RoutingRecords,
): Omit<Findings['data'], 'given'> {
  const { title, size, classes, superclasses, superclassOf } = dataset
  return {
    title,
    identity: identityOf(dataset).labels,
    files: dataset.files ?? null,
    split,
    images: records.images,
    size,
    classes: [...classes],
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf: superclassOf === undefined ? null : superclassOf.map(group => (group < 0 ? null : group)),
    perClass: countsOf(records.labels, classes.length),
  }
}
