import { fail } from '../base/errors.ts'
import { type Dataset, makeBatch, type SplitName, splitNamed } from '../data/index.ts'
import type { LoadedProgram } from '../runtime/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import type { RoutingProgram } from './routing-program.ts'
import type { Variant } from './variants.ts'

/** Where one layer sent each image, [N, E] row-major. */
export interface LayerRecords {
  readonly name: string
  /** E. */
  readonly experts: number
  readonly k: number
  /** What the gate said. */
  readonly logits: Float32Array
  /** Zero for experts that were not chosen; rows sum to 1. */
  readonly weights: Float32Array
}

/** What a network did with every image of a split, in the order of the split. */
export interface RoutingRecords {
  /** N. */
  readonly images: number
  /** int32 [N] */
  readonly labels: Int32Array
  /** The superclass of each image, int32 [N]; undefined where the data has none. */
  readonly superclasses: Int32Array | undefined
  readonly variants: readonly Variant[]
  /** The class that each variant names, int32 [variants][N]. */
  readonly predictions: readonly Int32Array[]
  readonly layers: readonly LayerRecords[]
  /** Of the network as trained: mean cross-entropy, and fractions of images. */
  readonly loss: number
  readonly top1: number
  readonly top5: number
}

/** What to route; the parameters are the state of the engine. */
export interface RouteOptions {
  readonly dataset: Dataset
  readonly split: SplitName
  readonly variants: readonly Variant[]
  readonly routing: RoutingProgram
  readonly loaded: LoadedProgram
  /** Images computed at once. */
  readonly batch: number
  /** Told after every batch how many images are done. */
  readonly onProgress?: (done: number, total: number) => void
}

/**
 * Routes every image of a split once. The next batch is decoded while the engine computes.
 *
 * @throws MoietyError `diverged` where what the network computes is not finite, `data`
 */
export async function routeSplit(options: RouteOptions): Promise<RoutingRecords> {
  const { dataset, variants, routing, loaded, batch, onProgress } = options
  const split = splitNamed(dataset, options.split)
  const images = split.length
  const layers = routing.layers.map(({ name, experts, k }) => ({
    name,
    experts,
    k,
    logits: new Float32Array(images * experts),
    weights: new Float32Array(images * experts),
  }))
  const predictions = variants.map(() => new Int32Array(images))
  const totals = { loss: 0, correct1: 0, correct5: 0 }
  const load = (start: number) => {
    const indices = Uint32Array.from({ length: Math.min(batch, images - start) }, (_, i) => start + i)
    const { mean, std, classes } = dataset
    return makeBatch(split, indices, { mean, std, classes: classes.length, seed: 0, epoch: 0 })
  }
  let next = images > 0 ? load(0) : undefined
  for (let start = 0; start < images; start += batch) {
    const { images: pixels, labels } = await next!
    const running = loaded.run(
      new Map([
        ['images', pixels],
        ['labels', labels],
      ]),
    )
    if (start + batch < images) next = load(start + batch)
    const outputs = await running
    for (const name of ['loss', 'correct1', 'correct5'] as const)
      totals[name] += Number(outputs.get(name)!.data[0])
    for (const { name, experts, logits, weights } of layers) {
      logits.set(floatsOf(outputs, `${name}.logits`), start * experts)
      weights.set(floatsOf(outputs, `${name}.weights`), start * experts)
    }
    const named = outputs.get('predictions')!.data
    for (const [v, column] of predictions.entries())
      for (let n = 0; n * variants.length < named.length; n++)
        column[start + n] = Number(named[n * variants.length + v])
    onProgress?.(Math.min(start + batch, images), images)
  }
  if (!Number.isFinite(totals.loss)) refuseNotFinite(totals.loss, images)
  return {
    images,
    labels: split.labels,
    superclasses: split.coarse,
    variants,
    predictions,
    layers,
    loss: totals.loss / images,
    top1: totals.correct1 / images,
    top5: totals.correct5 / images,
  }
}

/** The same images with the variants of both, each once; the network as trained is the first's. */
export function withVariants(records: RoutingRecords, more: RoutingRecords): RoutingRecords {
  const added = more.variants.flatMap((variant, v) => (variant.kind === 'trained' ? [] : [v]))
  return {
    ...records,
    variants: [...records.variants, ...added.map(v => more.variants[v]!)],
    predictions: [...records.predictions, ...added.map(v => more.predictions[v]!)],
  }
}

function refuseNotFinite(loss: number, images: number): never {
  return fail({
    kind: 'diverged',
    message: `the loss over ${images} images is ${loss}: what the network computes is not finite`,
    where: 'loss',
    help: 'train anew with a lower optimizer.learningRate, or with training.clipNorm',
  })
}
