import type { MultiLabelSplit, SplitName } from '../../data/index.ts'
import { averagePrecision, meanAveragePrecision } from '../../metrics/average-precision.ts'
import {
  bestThreshold,
  countsAt,
  type LabelCounts,
  type PrecisionRecall,
  precisionRecall,
} from '../../metrics/label-thresholds.ts'
import type { Measures } from '../../run/events.ts'
import type { LabelledItem } from '../routing.ts'
import type { Evaluated, TextTable } from '../task.ts'
import type { LabelSummary } from './label-answers.ts'

/** What a multi-label network does on a split: `measures` has `mAP` and `f1`, the loss is the mean binary cross-entropy. */
export interface MultiLabelResult extends Evaluated {
  /** [images · classes], row-major: 1 where the image shows the class, otherwise 0. */
  readonly targets: Uint8Array
  /** Likewise, from 0 to 1: how probable the network says that is. */
  readonly probabilities: Float64Array
  readonly classes: readonly ClassResult[]
  /** The split on which the thresholds of `classes` were chosen. */
  readonly thresholdsFrom: SplitName
  readonly answers: LabelSummary
}

/** How well one class is found; null for a fraction of nothing. */
export interface ClassResult extends PrecisionRecall {
  readonly name: string
  /** Images that show it. */
  readonly images: number
  readonly averagePrecision: number | null
  /** An image is said to show the class where its probability is at least this; precision, recall and F1 belong to it. */
  readonly threshold: number
}

/** Probabilities of the images of a split, with what is true. */
export interface ScoredImages extends Pick<MultiLabelSplit, 'length' | 'targets'> {
  /** [images · classes] */
  readonly probabilities: Float64Array
}

/** The threshold of a class that no image of the split shows on which thresholds are chosen. */
const usualThreshold = 0.5

/** Each class's threshold with the highest F1 on some images. */
export function thresholdsOn(scored: ScoredImages, classes: number): number[] {
  return Array.from({ length: classes }, (_, label) => {
    const { scores, positives } = columnOf(scored, label, classes)
    return bestThreshold(scores, positives) ?? usualThreshold
  })
}

/** The measures of probabilities alone, without any thresholds that were chosen. */
export function multiLabelMeasuresOf(scored: ScoredImages, classes: number): Measures {
  return multiLabelScores(scored, classes).measures
}

/** The same, and the average precision of each class. */
export function multiLabelScores(
  scored: ScoredImages,
  classes: number,
): { readonly measures: Measures; readonly perClass: readonly (number | null)[] } {
  const counts = Array.from({ length: classes }, (_, label) => {
    const { scores, positives } = columnOf(scored, label, classes)
    return { ap: averagePrecision(scores, positives), at: countsAt(scores, positives, usualThreshold) }
  })
  const perClass = counts.map(({ ap }) => ap)
  return {
    measures: {
      mAP: meanAveragePrecision(perClass),
      f1: precisionRecall(sumOf(counts.map(({ at }) => at))).f1,
    },
    perClass,
  }
}

/** How well each class is found at given thresholds. */
export function classResults(
  scored: ScoredImages,
  names: readonly string[],
  thresholds: readonly number[],
): ClassResult[] {
  return names.map((name, label) => {
    const { scores, positives } = columnOf(scored, label, names.length)
    const threshold = thresholds[label]!
    const counts = countsAt(scores, positives, threshold)
    return {
      name,
      images: counts.positives,
      averagePrecision: averagePrecision(scores, positives),
      threshold,
      ...precisionRecall(counts),
    }
  })
}

/** A label of an image, for each image that has it. */
export function itemsOf(targets: Uint8Array, classes: number): LabelledItem[] {
  const items: LabelledItem[] = []
  for (const [at, target] of targets.entries())
    if (target === 1) items.push({ image: Math.floor(at / classes), label: at % classes, level: 0 })
  return items
}

/** More rows than this are for `--json`. */
const mostRows = 50
/** Longer names do not fit into a line of 80 columns. */
const longestName = 24

/** The classes as a table. */
export function classTable(
  classes: readonly ClassResult[],
  thresholdsFrom: SplitName,
  split: SplitName,
): TextTable {
  const number = (value: number | null): string => (value === null ? '–' : value.toFixed(3))
  const rows = classes
    .slice(0, mostRows)
    .map(one => [
      one.name.length > longestName ? `${one.name.slice(0, longestName - 1)}…` : one.name,
      String(one.images),
      ...[one.averagePrecision, one.threshold, one.precision, one.recall, one.f1].map(number),
    ])
  const more = classes.length - mostRows
  return {
    title:
      thresholdsFrom === split
        ? 'Classes, at the thresholds with the highest F1 on these very images'
        : `Classes, at the thresholds with the highest F1 on the ${thresholdsFrom} split`,
    heads: ['class', 'images', 'AP', 'threshold', 'precision', 'recall', 'F1'],
    rows: more > 0 ? [...rows, [`and ${more} more`, '', '', '', '', '', '']] : rows,
  }
}

function columnOf(
  { length, targets, probabilities }: ScoredImages,
  label: number,
  classes: number,
): { readonly scores: Float64Array; readonly positives: Uint8Array } {
  const [scores, positives] = [new Float64Array(length), new Uint8Array(length)]
  for (let image = 0; image < length; image++) {
    scores[image] = probabilities[image * classes + label]!
    positives[image] = targets[image * classes + label]!
  }
  return { scores, positives }
}

function sumOf(counts: readonly LabelCounts[]): LabelCounts {
  const total = (key: keyof LabelCounts): number => counts.reduce((sum, one) => sum + one[key], 0)
  return { found: total('found'), positives: total('positives'), right: total('right') }
}
