import type { NamedOptions } from '../../base/component.ts'
import type { HostTensor } from '../../base/tensor.ts'
import { type Dataset, makeBatch, type Split } from '../../data/index.ts'
import type { LoadedProgram } from '../../runtime/index.ts'
import { ownMeasures } from '../own-metrics.ts'
import { runSplit } from '../run-split.ts'
import type { Evaluated, TestOptions } from '../task.ts'
import { type AnswerSummary, answerTables, type ClassAnswers, summarizeAnswers } from './answers.ts'
import type { EvaluationProgram } from './evaluation-program.ts'

/** What a classifier does on a split: `measures` has `top1` and `top5`, the loss is the mean cross-entropy. */
export interface ClassificationResult extends Evaluated {
  /** Class of each image. */
  readonly labels: Int32Array
  /** Of a program with variants: the class that the network and then each variant gives each image. */
  readonly predictions: readonly Int32Array[]
  readonly answers: AnswerSummary
}

/** What to evaluate; the parameters are the state of the engines. */
export interface EvaluateOptions extends TestOptions {
  readonly dataset: Dataset
  readonly split: Split
  readonly evaluation: Pick<EvaluationProgram, 'layers'>
  /** The program in each engine that may compute; they take turns. */
  readonly loaded: readonly LoadedProgram[]
  readonly batch: number
  /** What is measured besides accuracy. */
  readonly metrics?: readonly NamedOptions[] | undefined
}

/**
 * Runs a split through the classifier whose parameters are the engines' state, in the order of the files. Engines with as many
 * threads give the same bits, however many engines there are. Undefined if `signal` came first.
 *
 * @throws MoietyError `diverged` if the loss is not finite, `data`
 */
export async function evaluateSplit(options: EvaluateOptions): Promise<ClassificationResult | undefined> {
  const { dataset, split, evaluation, metrics = [], ...rest } = options
  const { mean, std, classes } = dataset
  const counts = { correct1: 0, correct5: 0 }
  const predictions: Int32Array[] = []
  const answers: ClassAnswers = {
    named: new Int32Array(split.length),
    confidences: new Float32Array(split.length),
  }
  const probabilities = new Float32Array(metrics.length === 0 ? 0 : split.length * classes.length)
  const result = await runSplit({
    ...rest,
    images: split.length,
    layers: evaluation.layers,
    feeds: async indices => {
      const made = { mean, std, classes: classes.length, seed: 0, epoch: 0 }
      const { images, labels } = await makeBatch(split, indices, made)
      return new Map([
        ['images', images],
        ['labels', labels],
      ])
    },
    add: (indices, outputs) => {
      for (const name of ['correct1', 'correct5'] as const) counts[name] += Number(outputs.get(name)!.data[0])
      const logits = outputs.get('logits')!
      const shares = softmaxOfRows(logits)
      if (metrics.length > 0) probabilities.set(shares, indices[0]! * classes.length)
      for (const [place, index] of indices.entries()) {
        const best = largestIn(logits, place)
        answers.named[index] = best
        answers.confidences[index] = shares[place * classes.length + best]!
      }
      const named = outputs.get('predictions')?.data ?? []
      const columns = named.length / indices.length
      for (let column = 0; column < columns; column++) {
        predictions[column] ??= new Int32Array(split.length)
        for (const [place, index] of indices.entries())
          predictions[column]![index] = Number(named[place * columns + column])
      }
    },
  })
  if (result === undefined) return undefined
  const summary = summarizeAnswers(answers, split.labels, result.routing, classes.length)
  return {
    ...result,
    measures: {
      top1: counts.correct1 / result.images,
      top5: counts.correct5 / result.images,
      ...ownMeasures<'classification'>(metrics, { labels: split.labels, probabilities, classes }),
    },
    items: Array.from(split.labels, (label, image) => ({ image, label, level: 0 })),
    details: {
      ...summary,
      classes: summary.classes.map((scores, c) => ({ name: classes[c]!, ...scores })),
    },
    tables: answerTables(summary, classes),
    labels: split.labels,
    predictions,
    answers: summary,
  }
}

/** The place of the largest value in a row, of equal ones the first. */
function largestIn({ data, shape }: HostTensor, row: number): number {
  const columns = shape[1]!
  let best = 0
  for (let i = 1; i < columns; i++) if (data[row * columns + i]! > data[row * columns + best]!) best = i
  return best
}

/** @param logits - float32 [N, classes] */
function softmaxOfRows({ data, shape }: HostTensor): Float32Array {
  const classes = shape[1]!
  const result = Float32Array.from(data, Number)
  for (let row = 0; row < result.length; row += classes) {
    const values = result.subarray(row, row + classes)
    const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    let sum = 0
    for (const [i, value] of values.entries()) {
      values[i] = Math.exp(value - largest)
      sum += values[i]!
    }
    for (const [i, value] of values.entries()) values[i] = value / sum
  }
  return result
}
