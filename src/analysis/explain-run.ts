import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import type { SplitName } from '../data/index.ts'
import { version } from '../files/version.ts'
import { stoppedBy, type TrainEvent } from '../run/events.ts'
import { readPlan } from '../run/extensions.ts'
import { learningCurveOf } from '../run/learning-curve.ts'
import { readEnvironment } from '../run/run-folder.ts'
import type { Device, Engine } from '../runtime/index.ts'
import type { CheckpointChoice } from '../tasks/choose-checkpoint.ts'
import { kindOfTask } from '../tasks/kinds.ts'
import {
  checkpointIdentity,
  configurationIdentity,
  type DataChoice,
  type EngineChoice,
  engineOf,
  type OpenedRun,
  openTrainedRun,
} from '../tasks/open-run.ts'
import type { Evaluated, Task } from '../tasks/task.ts'
import { affinityOf } from './affinity.ts'
import { agreementOf } from './agreement.ts'
import type { AnalysisOptions, Pictures, TableFile } from './analysed.ts'
import { readAttributeTable } from './attributes/attribute-table.ts'
import { givenAttributes } from './attributes/given-attributes.ts'
import { measuredAttributes } from './attributes/measured-attributes.ts'
import { type Findings, groupingOf, type LayerFindings } from './findings.ts'
import { countsOf, layerFindings } from './layer-findings.ts'
import { routedItems, weightsOfItems } from './routed-items.ts'
import { analyse } from './task-analyses.ts'
import { logOf } from './training-history.ts'

/** Which run to explain, on what, and how thoroughly. */
export interface ExplainOptions extends AnalysisOptions, CheckpointChoice {
  /** The run's folder. */
  readonly run: string
  /** Another run of the same task on the same classes, whose experts are matched to this one's. */
  readonly against?: string | undefined
  /** The run's task, where its configuration does not describe it; also that of `against`. */
  readonly task?: Task | undefined
  /** Another data set with the same classes, instead of the one it was trained on. */
  readonly data?: DataChoice | undefined
  /** A file with further attributes of images, see `readAttributeTable`. */
  readonly attributes?: string | undefined
  /** By default the one that the run was tested on while it trained. */
  readonly split?: SplitName | undefined
  /** Threads of the engine, instead of as many as in training. */
  readonly threads?: number | undefined
  /** Device of the engine, instead of that of the training. */
  readonly device?: Device | undefined
  /** Reports how everything comes along, and which images were left out. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** What was found, and what to write. */
export interface Explanation {
  readonly findings: Findings
  /** The images that the page shows. */
  readonly pictures: Pictures
  /** `routing.parquet`, and of a detector `objects.parquet`. */
  readonly tables: readonly TableFile[]
}

/**
 * Runs a split through a trained network of any task, as trained and with other experts selected in each of its mixtures, and
 * finds out how its experts specialize (METHOD.md §5.5, §6).
 *
 * @throws MoietyError `usage` for a folder that is no run, a run without a checkpoint, data with other classes, or an
 *   `against` of another task or without a layer in the same place; `diverged` where what the network computes is not finite;
 *   `data`; `disk` for a damaged checkpoint
 */
export async function explainRun(options: ExplainOptions): Promise<Explanation> {
  const onEvent = stoppedBy(options.signal, options.onEvent)
  const onProgress = (what: string, done: number, total: number): void =>
    onEvent({ kind: 'progress', what, done, total })
  const { seed = 0, threads, device } = options
  const { attributes: file } = options
  const table = file === undefined ? undefined : await readAttributeTable(file)
  const opened = await openTrainedRun(options.run, {
    task: options.task,
    split: options.split,
    checkpoint: options.checkpoint,
    weights: options.weights,
    onEvent,
    data: options.data,
  })
  const { task, split, checkpoint } = opened
  const given =
    file === undefined || table === undefined ? [] : await givenAttributes({ file, table }, opened, onEvent)
  const other =
    options.against === undefined ? undefined : await openOther(options, options.against, opened, onEvent)
  const analysed = await withEngine(opened, { threads, device }, engine =>
    analyse(task, engine, split, { ...options, onEvent }),
  )
  const theirs =
    other &&
    (await withEngine(other, { threads, device }, async engine => {
      onProgress(`routing images of ${basename(resolve(other.run))}`, 0, 1)
      return (await other.task.withVariants(engine, split, { variants: [], onEvent })).trained
    }))

  const permutations = options.permutations ?? analysed.permutations
  const log = logOf(options.run, checkpoint.step, onEvent)
  const { images } = analysed.evaluated
  const measured = task.mixtures.length === 0 ? [] : await measuredAttributes(task, split, images, onProgress)
  const attributes = [...measured, ...given]
  const layers: LayerFindings[] = []
  for (const [index, { name }] of analysed.evaluated.routing.entries()) {
    const found = await layerFindings({
      analysed,
      index,
      mixture: task.mixtures[index]!,
      data: task.data,
      log,
      permutations,
      seed,
      attributes,
      onProgress: (what, done, total) => onProgress(`${name}: ${what}`, done, total),
    })
    const agreement =
      theirs && other ? agreementWith(theirs, found, basename(resolve(other.run)), seed) : null
    layers.push({ ...found, agreement })
  }
  const { extras, pictures, tables } = await analysed.finish(layers, onProgress)
  const { evaluated: trained, perClass } = analysed
  const findings: Findings = {
    version: 3,
    task: task.kind.name,
    run: describeRun(opened),
    data: { ...describeData(opened, trained), given: options.data !== undefined },
    loss: trained.loss,
    measures: { ...trained.measures },
    perClass,
    learning: [opened, ...(other === undefined || !isSibling(opened, other) ? [] : [other])].map(one => ({
      run: basename(resolve(one.run)),
      seed: one.task.config.seed,
      points: learningCurveOf(one === opened ? log : logOf(one.run, one.checkpoint.step, onEvent)),
    })),
    layers,
    extras,
  }
  return { findings, pictures, tables }
}

async function withEngine<T>(
  { task, checkpoint }: OpenedRun,
  choice: EngineChoice,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await engineOf({ config: task.config, checkpoint }, choice)
  try {
    return await work(engine)
  } finally {
    await engine.stop()
  }
}

/** Opens a run to match experts with, on the same data. @throws MoietyError `usage` for one that has none of the layers */
async function openOther(
  { task: given }: Pick<ExplainOptions, 'task'>,
  against: string,
  { task, split }: OpenedRun,
  onEvent: (event: TrainEvent) => void,
): Promise<OpenedRun> {
  // The other network keeps the size of the images that it was trained on.
  const { name, directory, limit } = task.config.data
  const other = await openTrainedRun(against, {
    task: given,
    split,
    onEvent,
    data: { name, directory, limit },
    check: config => {
      const kind = kindOfTask(config).name
      if (kind === task.kind.name) return
      fail({
        kind: 'usage',
        message: `expected a run of the task ${task.kind.name}, as the one that is explained, got one of ${kind}`,
        where: '--against',
        help: 'compare runs of one task',
      })
    },
  })
  const places = ({ mixtures }: Task): string[] =>
    mixtures.map(({ place, style }) => `${place} ${style === 'conv'}`)
  const here = new Set(places(task))
  if (places(other.task).some(place => here.has(place))) return other
  return fail({
    kind: 'usage',
    message:
      here.size === 0
        ? 'the run has no mixture of experts whose roles could be compared'
        : 'the other run has no mixture of experts at a position where this one has one',
    where: '--against',
    help: 'compare runs that have a layer in the same place',
  })
}

function agreementWith(
  { routing, items }: Evaluated,
  found: Omit<LayerFindings, 'agreement'>,
  against: string,
  seed: number,
): LayerFindings['agreement'] {
  const layer = routing.find(({ name }) => name === found.name)
  const mine = groupingOf(found, 'class')
  if (layer === undefined || mine === undefined) return null
  const routed = routedItems(layer, items)
  const labels = Int32Array.from(routed.items, ({ label }) => label)
  const own = { experts: layer.experts, weights: weightsOfItems(routed) }
  const theirs = affinityOf(own, labels, mine.names.length)
  return agreementOf(mine.affinity.weight, theirs.weight, { against, seed, permutations: 200 })
}

/** Whether two runs, as far trained, differ in nothing but the seed. */
function isSibling(one: OpenedRun, other: OpenedRun): boolean {
  const identity = ({ task, checkpoint }: OpenedRun): string =>
    configurationIdentity(task.config, readPlan(checkpoint.extra)?.extensions)
  return (
    one.checkpoint.step === other.checkpoint.step &&
    one.task.config.seed !== other.task.config.seed &&
    identity(one) === identity(other)
  )
}

function describeRun({ run, task, checkpoint }: OpenedRun): Findings['run'] {
  const { config } = task
  const { description, parameters, activeParameters, multiplyAdds } = task.facts
  const extensions = readPlan(checkpoint.extra)?.extensions ?? []
  return {
    name: basename(resolve(run)),
    recipe: readEnvironment(run)?.recipe ?? null,
    step: checkpoint.step,
    checkpoint: checkpointIdentity(checkpoint),
    which: checkpoint.description,
    configuration: configurationIdentity(config, extensions),
    epochs: config.training.epochs,
    extensions: [...extensions],
    seed: config.seed,
    model: description,
    parameters,
    activeParameters,
    multiplyAdds,
    moiety: version,
  }
}

function describeData(
  { task, split }: OpenedRun,
  { images, items }: Evaluated,
): Omit<Findings['data'], 'given'> {
  const { title, classes, superclasses, superclassOf, content } = task.data
  return {
    title,
    identity: task.identity.labels,
    files: content ?? null,
    split,
    images,
    classes: [...classes],
    superclasses: superclasses === undefined ? null : [...superclasses],
    superclassOf:
      superclassOf === undefined ? null : Array.from(superclassOf, group => (group < 0 ? null : group)),
    perClass: countsOf(
      Int32Array.from(items, ({ label }) => label),
      classes.length,
    ),
  }
}
