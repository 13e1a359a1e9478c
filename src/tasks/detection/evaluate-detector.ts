import { inOrder } from '../../base/in-order.ts'
import type { HostTensor } from '../../base/tensor.ts'
import {
  canvasOf,
  type DetectionBatch,
  type DetectionDataset,
  type DetectionSplit,
  detectionBatches,
  makeDetectionBatch,
} from '../../data/detection/index.ts'
import {
  cocoSizes,
  evaluateDetections,
  type GroundTruth,
  type SizeLimits,
} from '../../metrics/detections/index.ts'
import { type Anchors, anchorTargets, bestAnchors, type Detector } from '../../models/index.ts'
import type { LayerInfo } from '../../moe/index.ts'
import type { Engine, LoadedProgram } from '../../runtime/index.ts'
import { refuseNotFinite } from '../not-finite.ts'
import { RoutingCollector } from '../routing.ts'
import type { TestOptions } from '../task.ts'
import type { RoutingOverrides } from '../variants.ts'
import { anchorsFor, type DetectorModelConfig, detectionsOf, detectorOf, matchingOf } from './detector-of.ts'
import { detectorProgram } from './detector-program.ts'
import { detectionTables, summarizeDetections } from './found-and-missed.ts'
import type { DetectorRecords, FoundObject, TrueObject } from './records.ts'
import { statsTables } from './stats-tables.ts'

/** What to evaluate; the parameters are the state of the engines. */
export interface EvaluateDetectorOptions extends TestOptions {
  readonly split: DetectionSplit
  readonly batch: number
}

interface Ready {
  readonly loaded: LoadedProgram
  readonly layers: readonly LayerInfo[]
  readonly anchors: Anchors
}

/** A detector to be tried on images, as trained or with another routing. Its programs are made when they are needed. */
export class DetectorEvaluator {
  readonly #detector: Detector
  readonly #ready = new Map<string, Promise<Ready>>()

  constructor(
    /** They take turns. */
    readonly engines: readonly Engine[],
    readonly model: DetectorModelConfig,
    readonly dataset: DetectionDataset,
    override?: RoutingOverrides,
  ) {
    this.#detector = detectorOf(model, { classes: dataset.classes.length, override })
  }

  /**
   * Makes the programs that `evaluate` will need for a split.
   *
   * @throws MoietyError of kind `usage` where the override does not fit the model
   */
  async prepare(split: DetectionSplit, batch: number): Promise<void> {
    const { canvases } = this.dataset
    const batches = detectionBatches(this.dataset, split, batch, 'in order')
    await Promise.all(
      batches.map((indices, number) => {
        const canvas = canvases[canvasOf(canvases, split.scenes[indices[0]!]!)]!
        return this.#programFor(this.#engineOf(number), indices.length, canvas)
      }),
    )
  }

  /**
   * Runs a split through the detector, in the order of the files. Engines of as many threads give the same
   * bits, however many they are.
   * Undefined if `signal` came first.
   *
   * @throws MoietyError `diverged` if the loss is not finite, `data`
   */
  async evaluate({
    split,
    batch,
    signal,
    onProgress,
  }: EvaluateDetectorOptions): Promise<DetectorRecords | undefined> {
    const { dataset, engines } = this
    const batches = detectionBatches(dataset, split, batch, 'in order')
    const records = new Collected(dataset, split)
    const compute = async (number: number) => {
      const images = await makeDetectionBatch(dataset, split, batches[number]!, 'unchanged')
      if (signal?.aborted) return undefined
      const engine = this.#engineOf(number)
      const { loaded, layers, anchors } = await this.#programFor(engine, images.indices.length, images.canvas)
      return { images, outputs: await loaded.run(this.#feeds(images, anchors)), layers, anchors }
    }
    for await (const result of inOrder(batches.length, engines.length + 1, compute)) {
      if (result === undefined) return undefined
      const { images, outputs, layers, anchors } = result
      records.add(images, outputs, layers, anchors)
      onProgress?.(records.images, split.length)
      if (signal?.aborted) return undefined
    }
    return records.finish()
  }

  /** The one that computes a batch. */
  #engineOf(number: number): Engine {
    return this.engines[number % this.engines.length]!
  }

  /** Releases its programs and their memory. */
  async release(): Promise<void> {
    for (const ready of this.#ready.values()) await (await ready).loaded.release()
    this.#ready.clear()
  }

  #feeds({ images, objects }: DetectionBatch, anchors: Anchors): Map<string, HostTensor> {
    const total = anchors.boxes.length / 4
    const matching = matchingOf(this.model.detector)
    const targets = anchorTargets(anchors.boxes, objects, this.dataset.classes.length, matching)
    return new Map<string, HostTensor>([
      ['images', images],
      ['classTargets', { dtype: 'int64', shape: [objects.length, total], data: targets.classes }],
      ['boxTargets', { dtype: 'float32', shape: [objects.length, total, 4], data: targets.boxes }],
    ])
  }

  /** Two batches may ask for the same one while it is being made. */
  async #programFor(engine: Engine, images: number, canvas: readonly [number, number]): Promise<Ready> {
    const [height, width] = canvas
    const key = `${this.engines.indexOf(engine)}: ${images}×${height}×${width}`
    const known = this.#ready.get(key)
    if (known !== undefined) return await known
    const making = this.#make(engine, images, canvas)
    this.#ready.set(key, making)
    // A later request tries again.
    making.catch(() => this.#ready.delete(key))
    return await making
  }

  async #make(engine: Engine, images: number, canvas: readonly [number, number]): Promise<Ready> {
    const [height, width] = canvas
    const anchors = anchorsFor(this.model, canvas)
    const { program, layers } = detectorProgram({
      detector: this.#detector,
      anchors,
      form: { images, height, width },
      detections: detectionsOf(this.model.detector),
      boxWeight: this.model.detector.boxWeight,
      scoreClamp: this.model.detector.scoreClamp,
    })
    return { loaded: await engine.load(program), layers, anchors }
  }
}

/** What an evaluation gathers, batch by batch. */
class Collected {
  images = 0
  #loss = 0
  readonly #found: FoundObject[] = []
  readonly #objects: TrueObject[] = []
  readonly #routing: RoutingCollector

  constructor(
    readonly dataset: DetectionDataset,
    readonly split: DetectionSplit,
  ) {
    this.#routing = new RoutingCollector(split.length)
  }

  add(
    batch: DetectionBatch,
    outputs: ReadonlyMap<string, HostTensor>,
    layers: readonly LayerInfo[],
    anchors: Anchors,
  ): void {
    this.images += batch.indices.length
    this.#loss += Number(outputs.get('loss')!.data[0])
    this.#addFound(batch, outputs, anchors)
    this.#addObjects(batch, anchors)
    this.#routing.add(batch.indices, outputs, layers)
  }

  finish(): DetectorRecords {
    const { split, images } = this
    if (!Number.isFinite(this.#loss)) refuseNotFinite(this.#loss, images)
    const truth = truthOf(this.dataset, split)
    const evaluation = evaluateDetections(truth, this.#found, { sizes: sizesOf(this.dataset) })
    const routing = this.#routing.routing
    const summary = summarizeDetections(
      { truth, evaluation, found: this.#found, objects: this.#objects, routing },
      new Map(split.scenes.map(({ id }, image) => [id, image])),
    )
    const sizes = sizesOf(this.dataset)
    const changes = split.changes ?? []
    return {
      images,
      loss: this.#loss / Math.max(1, images),
      measures: { ...evaluation.stats },
      layers: this.#routing.stats,
      routing,
      items: this.#objects,
      details: {
        counts: evaluation.counts,
        perCategory: evaluation.perCategory.map(({ perIoU: _, ...numbers }) => numbers),
        sizes,
        ...summary,
        ...(changes.length === 0 ? {} : { changes }),
      },
      tables: [...statsTables(evaluation, sizes, changes), ...detectionTables(summary, this.dataset.classes)],
      evaluation,
      summary,
      found: this.#found,
      objects: this.#objects,
    }
  }

  #addFound(
    { indices, sizes }: DetectionBatch,
    outputs: ReadonlyMap<string, HostTensor>,
    anchors: Anchors,
  ): void {
    const { categoryIds } = this.dataset
    const data = (name: string) => outputs.get(name)!.data
    const [boxes, scores, labels, image, anchor] = ['boxes', 'scores', 'labels', 'image', 'anchor'].map(data)
    for (let m = 0; m < scores!.length; m++) {
      const place = Number(image![m])
      const index = indices[place]!
      const { id, width, height } = this.split.scenes[index]!
      const [rows, columns] = sizes[place]!
      const edge = (i: number) => {
        const [stored, shown] = i % 2 === 0 ? [width, columns] : [height, rows]
        return Math.min(Math.max((Number(boxes![4 * m + i]) * stored) / shown, 0), stored)
      }
      const [left, top, right, bottom] = [edge(0), edge(1), edge(2), edge(3)]
      const label = Number(labels![m])
      this.#found.push({
        imageId: id,
        categoryId: categoryIds[label]!,
        box: [left, top, right - left, bottom - top],
        score: Number(scores![m]),
        image: index,
        label,
        level: levelOf(anchors, Number(anchor![m])),
      })
    }
  }

  #addObjects({ indices, objects }: DetectionBatch, anchors: Anchors): void {
    for (const [place, { boxes }] of objects.entries()) {
      const index = indices[place]!
      const best = bestAnchors(anchors.boxes, boxes)
      let single = 0
      for (const [object, { label, area, crowd }] of this.split.scenes[index]!.objects.entries()) {
        if (crowd) continue
        this.#objects.push({ image: index, object, label, area, level: levelOf(anchors, best[single++]!) })
      }
    }
  }
}

/** 0 to 4, P3 to P7; −1 for no anchor. */
function levelOf({ levels }: Anchors, anchor: number): number {
  return levels.findIndex(({ start, end }) => anchor >= start && anchor < end)
}

/** The objects of a split in COCO's terms, those of an image together and in order. */
function truthOf({ classes, categoryIds }: DetectionDataset, { scenes }: DetectionSplit): GroundTruth {
  return {
    images: scenes.map(({ id }) => ({ id })),
    categories: categoryIds.map((id, label) => ({ id, name: classes[label]! })),
    annotations: scenes.flatMap(({ id: imageId, objects }) =>
      objects.map(({ id, box, area, crowd, label }) => ({
        id,
        imageId,
        categoryId: categoryIds[label]!,
        box,
        area,
        crowd,
      })),
    ),
  }
}

/** Sides in pixels of the stored image that divide small, medium and large objects of a data set. */
export function sizesOf({ sizeFactor }: { readonly sizeFactor: number }): SizeLimits {
  const [small, medium] = cocoSizes
  return [small * sizeFactor, medium * sizeFactor]
}
