import { inOrder } from '../../base/in-order.ts'
import { type Dataset, makeBatch, type Split } from '../../data/index.ts'
import type { LoadedProgram } from '../../runtime/index.ts'
import { refuseNotFinite } from '../not-finite.ts'
import { RoutingCollector } from '../routing.ts'
import type { Evaluated, TestOptions } from '../task.ts'
import type { EvaluationProgram } from './evaluation-program.ts'

/** What a classifier does on a split: `measures` has `top1` and `top5`, the loss is the mean cross-entropy. */
export interface ClassificationResult extends Evaluated {
  /** Class of each image. */
  readonly labels: Int32Array
  /** Of a program with variants: the class that the network and then each variant gives each image. */
  readonly predictions: readonly Int32Array[]
}

/** What to evaluate; the parameters are the state of the engines. */
export interface EvaluateOptions extends TestOptions {
  readonly dataset: Dataset
  readonly split: Split
  readonly evaluation: Pick<EvaluationProgram, 'layers'>
  /** The program in each engine that may compute; they take turns. */
  readonly loaded: readonly LoadedProgram[]
  readonly batch: number
}

/**
 * Runs a split through the classifier whose parameters are the engines' state, in the order of the files. Engines with as many
 * threads give the same bits, however many engines there are. Undefined if `signal` came first.
 *
 * @throws MoietyError `diverged` if the loss is not finite, `data`
 */
export async function evaluateSplit(options: EvaluateOptions): Promise<ClassificationResult | undefined> {
  const { dataset, split, evaluation, loaded, batch, signal, onProgress } = options
  const { mean, std, classes } = dataset
  const collector = new RoutingCollector(split.length)
  const totals = { loss: 0, correct1: 0, correct5: 0 }
  const predictions: Int32Array[] = []
  const compute = async (number: number) => {
    const start = number * batch
    const indices = Uint32Array.from({ length: Math.min(batch, split.length - start) }, (_, i) => start + i)
    const made = await makeBatch(split, indices, { mean, std, classes: classes.length, seed: 0, epoch: 0 })
    if (signal?.aborted) return undefined
    const feeds = new Map([
      ['images', made.images],
      ['labels', made.labels],
    ])
    return { indices, outputs: await loaded[number % loaded.length]!.run(feeds) }
  }
  let images = 0
  for await (const result of inOrder(Math.ceil(split.length / batch), loaded.length + 1, compute)) {
    if (result === undefined) return undefined
    const { indices, outputs } = result
    for (const name of ['loss', 'correct1', 'correct5'] as const)
      totals[name] += Number(outputs.get(name)!.data[0])
    collector.add(indices, outputs, evaluation.layers)
    const named = outputs.get('predictions')?.data ?? []
    const columns = named.length / indices.length
    for (let column = 0; column < columns; column++) {
      predictions[column] ??= new Int32Array(split.length)
      for (const [place, index] of indices.entries())
        predictions[column]![index] = Number(named[place * columns + column])
    }
    images += indices.length
    onProgress?.(images, split.length)
    if (signal?.aborted) return undefined
  }
  if (!Number.isFinite(totals.loss)) refuseNotFinite(totals.loss, images)
  return {
    images,
    loss: totals.loss / images,
    measures: { top1: totals.correct1 / images, top5: totals.correct5 / images },
    layers: collector.stats,
    routing: collector.routing,
    items: Array.from(split.labels, (label, image) => ({ image, label, level: 0 })),
    details: {},
    tables: [],
    labels: split.labels,
    predictions,
  }
}
