import { fail } from '../../base/errors.ts'
import { inOrder } from '../../base/in-order.ts'
import type { Dataset, Split } from '../../data/index.ts'
import { makeBatch } from '../../data/index.ts'
import { addWeights, type ClassWeights, emptyClassWeights } from '../../metrics/preferred-classes.ts'
import { addBatch, counterValues, emptySums, utilization } from '../../metrics/utilization.ts'
import type { LayerStats } from '../../run/events.ts'
import type { LoadedProgram } from '../../runtime/index.ts'
import type { EvaluationProgram } from './evaluation-program.ts'

/** What a classifier does on a split. Accuracies are fractions, the loss is the mean cross-entropy. */
export interface SplitResult {
  readonly images: number
  readonly loss: number
  readonly top1: number
  readonly top5: number
  readonly layers: readonly LayerStats[]
  /** Per layer, in the same order. */
  readonly classWeights: readonly ClassWeights[]
}

/** What to evaluate; the parameters are the state of the engines. */
export interface EvaluateOptions {
  readonly dataset: Dataset
  readonly split: Split
  readonly evaluation: EvaluationProgram
  /** The program in each engine that may compute; they take turns. */
  readonly loaded: readonly LoadedProgram[]
  readonly batch: number
  readonly signal?: AbortSignal | undefined
  /** Told after every batch how many images are done. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/**
 * Runs a split through the classifier whose parameters are the engines' state, in the order of the files. Engines
 * of as many threads give the same bits, however many they are. Undefined if `signal` came first.
 *
 * @throws MoietyError `diverged` if the loss is not finite, `data`
 */
export async function evaluateSplit(options: EvaluateOptions): Promise<SplitResult | undefined> {
  const { dataset, split, evaluation, loaded, batch, signal, onProgress } = options
  const { layers } = evaluation
  const sums = layers.map(({ name, experts }) => emptySums(name, experts))
  const classWeights = layers.map(({ experts }) => emptyClassWeights(dataset.classes.length, experts))
  const totals = { loss: 0, correct1: 0, correct5: 0 }
  const compute = async (number: number) => {
    const start = number * batch
    const indices = Uint32Array.from({ length: Math.min(batch, split.length - start) }, (_, i) => start + i)
    const { images, labels } = await makeBatch(split, indices, {
      mean: dataset.mean,
      std: dataset.std,
      classes: dataset.classes.length,
      seed: 0,
      epoch: 0,
    })
    if (signal?.aborted) return undefined
    const feeds = new Map([
      ['images', images],
      ['labels', labels],
    ])
    return { labels, outputs: await loaded[number % loaded.length]!.run(feeds) }
  }
  const results = inOrder(Math.ceil(split.length / batch), loaded.length + 1, compute)
  let images = 0
  for await (const result of results) {
    if (result === undefined) return undefined
    const { labels, outputs } = result
    for (const name of ['loss', 'correct1', 'correct5'] as const)
      totals[name] += Number(outputs.get(name)!.data[0])
    for (const [i, { name, experts, counters }] of layers.entries()) {
      const weights = outputs.get(`${name}.weights`)!.data
      if (!(weights instanceof Float32Array) || !(labels.data instanceof BigInt64Array)) continue
      const importance = new Array<number>(experts).fill(0)
      const activation = new Array<number>(experts).fill(0)
      for (let at = 0; at < weights.length; at++) {
        importance[at % experts]! += weights[at]!
        activation[at % experts]! += Number(weights[at]! > 0)
      }
      addBatch(sums[i]!, {
        importance,
        activation,
        counters: counterValues(name, counters, outputs),
        images: labels.data.length,
      })
      addWeights(classWeights[i]!, labels.data, weights)
    }
    images += labels.data.length
    onProgress?.(images, split.length)
    if (signal?.aborted) return undefined
  }
  if (!Number.isFinite(totals.loss)) {
    fail({
      kind: 'diverged',
      message: `the loss over ${images} images is ${totals.loss}: what the network computes is not finite`,
      where: 'loss',
      help: 'train anew with a lower optimizer.learningRate, or with training.clipNorm',
    })
  }
  return {
    images,
    loss: totals.loss / images,
    top1: totals.correct1 / images,
    top5: totals.correct5 / images,
    layers: sums.map(utilization),
    classWeights,
  }
}
