import { basename, resolve } from 'node:path'
import { type SplitName, splitNamed } from '../../data/index.ts'
import { version } from '../../files/version.ts'
import { Graph } from '../../graph/index.ts'
import { activeParameterCount } from '../../models/index.ts'
import { Scope } from '../../nn/index.ts'
import type { TrainEvent } from '../../run/events.ts'
import { readEnvironment } from '../../run/run-folder.ts'
import type { Engine } from '../../runtime/index.ts'
import { detectionIdentity } from '../../tasks/data-identity.ts'
import { type DetectorOverride, detectorOf, detectorPlaces } from '../../tasks/detection/detector-of.ts'
import { DetectorEvaluator } from '../../tasks/detection/evaluate-detector.ts'
import { sizesOf } from '../../tasks/detection/evaluate-detector-run.ts'
import type { DetectorRecords } from '../../tasks/detection/records.ts'
import { openTrainedDetector, type TrainedDetector } from '../../tasks/detection/trained-detector.ts'
import { checkpointIdentity, configurationIdentity, type DataChoice, engineOf } from '../../tasks/open-run.ts'
import type { Findings } from '../findings.ts'
import { countsOf } from '../layer-findings.ts'
import { logOf, overTraining } from '../training-history.ts'
import { detectorRoutingTable, objectsTable } from './detector-tables.ts'
import { detectorVariants } from './detector-variants.ts'
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
  const trained = await openTrainedDetector(options.run, {
    split: options.split,
    onEvent,
    ...(options.data === undefined ? {} : { data: options.data }),
  })
  const { dataset, config, split } = trained
  const { parameters, activeParameters, constraints } = factsOf(trained)
  const engine = await engineOf(trained, options.threads)
  try {
    const places = detectorPlaces(config.model)
    const progress = new Passes(splitNamed(dataset, split).length, onEvent)
    const run = async (what: string, override?: DetectorOverride) =>
      await pass(engine, trained, { split, override, signal, onProgress: progress.next(what) })
    const records = await run('looking for objects')
    if (records === undefined) return undefined

    const planned = records.routing.map((layer, i) => detectorVariants(places[i]!, layer))
    progress.plan(planned.flat().filter(({ override }) => override !== undefined).length)
    const log = logOf(options.run, trained.checkpoint.step, onEvent)
    const layers: DetectorLayerFindings[] = []
    for (const [index, layer] of records.routing.entries()) {
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
      const results: { readonly kind: string; readonly stats: PrecisionStats }[] = []
      for (const { kind, name, override } of planned[index]!) {
        const own = override === undefined ? records : await run(`${layer.name}: ${name}`, override)
        if (own === undefined) return undefined
        results.push({ kind, stats: { ...own.evaluation.stats } })
      }
      const of = (kind: string) => results.filter(one => one.kind === kind).map(({ stats }) => stats)
      layers.push({
        ...found,
        place: places[index]!,
        constraint: constraints[index]!,
        variants: { single: of('single'), without: of('without'), byK: of('k'), equal: of('equal')[0]! },
        overTraining: overTraining(log, layer.name),
      })
    }

    const scenes = chooseScenes(records, records.routing[mostOfSizes(layers)], options.scenes ?? 8)
    return {
      findings: {
        kind: 'detector',
        version: 2,
        run: describeRun(trained, parameters, activeParameters),
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

/** One pass of a split through the detector. */
async function pass(
  engine: Engine,
  { config, dataset }: TrainedDetector,
  options: {
    readonly split: SplitName
    readonly override: DetectorOverride | undefined
    readonly signal: AbortSignal | undefined
    readonly onProgress: (done: number) => void
  },
): Promise<DetectorRecords | undefined> {
  const { split, override, signal, onProgress } = options
  const evaluator = new DetectorEvaluator([engine], config.model, dataset, override)
  const records = await evaluator.evaluate({
    split: splitNamed(dataset, split),
    batch: config.training.batch,
    signal,
    onProgress,
  })
  await evaluator.release()
  return records
}

/** Tells how far the passes are, and about how long the rest will take. */
class Passes {
  #done = 0
  #total = 1
  #seconds = 0

  constructor(
    readonly images: number,
    readonly onEvent: (event: TrainEvent) => void,
  ) {}

  /** That so many passes are to come. */
  plan(more: number): void {
    this.#total = this.#done + more
  }

  next(what: string): (done: number) => void {
    const began = performance.now()
    const number = this.#done++
    return done => {
      const seconds = (performance.now() - began) / 1000
      if (done === this.images) this.#seconds += seconds
      const each = number === 0 ? seconds : this.#seconds / (done === this.images ? number + 1 : number)
      const left = Math.max(0, each * (this.#total - number) - (done === this.images ? each : seconds))
      const turn = this.#total === 1 ? '' : ` (${number + 1} of ${this.#total}, ${timeLeft(left)} left)`
      this.onEvent({ kind: 'progress', what: `${what}${turn}`, done, total: this.images })
    }
  }
}

function timeLeft(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}

/** The layer whose experts sizes go with most: what scenes are chosen by. */
function mostOfSizes(layers: readonly DetectorLayerFindings[]): number {
  const bits = layers.map(({ sizes }) => sizes.tests?.information.value ?? 0)
  return Math.max(0, bits.indexOf(Math.max(...bits)))
}

/** What the network is made of, counted on the smallest canvas. */
function factsOf({ config, dataset }: TrainedDetector): {
  readonly parameters: number
  readonly activeParameters: number
  readonly constraints: readonly string[]
} {
  const { model } = config
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const [height, width] = dataset.canvases[0]!
  const { stats } = detectorOf(model, { classes: dataset.classes.length })(
    scope,
    graph.input('images', 'float32', [1, 3, height, width]),
  )
  const { declarations } = scope
  return {
    parameters: declarations.parameterCount(),
    activeParameters: activeParameterCount(declarations, stats),
    constraints: detectorPlaces(model).map(place =>
      typeof place === 'number'
        ? model.moe.find(({ position }) => position === place)!.constraint.name
        : model.detector.mixture!.constraint.name,
    ),
  }
}

function describeRun(
  { run, config, checkpoint }: TrainedDetector,
  parameters: number,
  activeParameters: number,
): Findings['run'] {
  const { name, stem, width, detector } = config.model
  return {
    name: basename(resolve(run)),
    recipe: readEnvironment(run)?.recipe ?? null,
    step: checkpoint.step,
    checkpoint: checkpointIdentity(checkpoint),
    configuration: configurationIdentity(config),
    epochs: config.training.epochs,
    seed: config.seed,
    model: `RetinaNet on ${name}, width ${width}, ${stem} stem, ${detector.channels} channels`,
    parameters,
    activeParameters,
    moiety: version,
  }
}

function describeData(
  { dataset }: TrainedDetector,
  split: SplitName,
  { images, objects, evaluation }: DetectorRecords,
): DetectorFindings['data'] {
  const { title, classes, superclasses, superclassOf, canvases } = dataset
  const sizes = sizesOf(dataset)
  const perSize: [number, number, number] = [0, 0, 0]
  for (const { area } of objects) perSize[sizeClassOf(area, sizes)]! += 1
  return {
    title,
    identity: detectionIdentity(dataset).labels,
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
  }
}
