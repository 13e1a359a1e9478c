import { type PrecisionRecall, precisionRecall } from './label-thresholds.ts'

/** How often each class is taken for each: a row for each true class, a column for each that is predicted, counts of images. */
export type ConfusionMatrix = readonly (readonly number[])[]

/**
 * The confusion matrix of scikit-learn's `confusion_matrix`.
 *
 * @param predictions - int32 [N], the class that was named
 * @param labels - int32 [N], the class that it is
 */
export function confusionMatrix(
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let n = 0; n < labels.length; n++) matrix[labels[n]!]![predictions[n]!]! += 1
  return matrix
}

/** How well one class is distinguished from the others. */
export interface ClassScores extends PrecisionRecall {
  /** Images of the class. */
  readonly images: number
  /** Images that were said to be of it. */
  readonly predicted: number
}

/** Precision, recall and F₁ of each class; null for a fraction of nothing (`zero_division=nan` of scikit-learn). */
export function classScores(matrix: ConfusionMatrix): ClassScores[] {
  return matrix.map((row, c) => {
    const images = row.reduce((total, count) => total + count, 0)
    const predicted = matrix.reduce((total, other) => total + other[c]!, 0)
    return { images, predicted, ...precisionRecall({ found: predicted, positives: images, right: row[c]! }) }
  })
}

/** Means over classes, each of which counts the same however many images it has; null where no class has a value. */
export interface MacroScores {
  /** Mean F₁ of the classes that an image shows or the network names. */
  readonly macroF1: number | null
  /** Mean recall of the classes that an image shows. */
  readonly balancedAccuracy: number | null
}

/** The means over classes. */
export function macroScores(scores: readonly ClassScores[]): MacroScores {
  return {
    macroF1: meanOf(scores.map(({ f1 }) => f1)),
    balancedAccuracy: meanOf(scores.map(({ recall }) => recall)),
  }
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length
}

/** Images of one class that were taken for another. */
export interface Confusion {
  readonly label: number
  readonly prediction: number
  readonly images: number
  /** Of the images of the class. */
  readonly share: number
}

/** The most frequent confusions, those of the largest part of a class first among equally many. */
export function mostConfused(matrix: ConfusionMatrix, most: number): Confusion[] {
  return matrix
    .flatMap((row, label) => {
      const total = row.reduce((sum, count) => sum + count, 0)
      return row.flatMap((images, prediction) =>
        images > 0 && prediction !== label ? [{ label, prediction, images, share: images / total }] : [],
      )
    })
    .sort(
      (a, b) => b.images - a.images || b.share - a.share || a.label - b.label || a.prediction - b.prediction,
    )
    .slice(0, most)
}
