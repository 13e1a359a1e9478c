import { type Lead, leadOf } from '../../base/exact-tests.ts'

/**
 * Which fraction of the images is named right, altogether and of each class; null for a class without images.
 *
 * @param predictions - int32 [N], the class that was named
 * @param labels - int32 [N], the class that it is
 */
export function accuracyOf(
  predictions: Int32Array,
  labels: Int32Array,
  classes: number,
): { readonly top1: number; readonly perClass: (number | null)[] } {
  const right = new Float64Array(classes)
  const images = new Float64Array(classes)
  for (const [n, label] of labels.entries()) {
    images[label]! += 1
    right[label]! += Number(predictions[n] === label)
  }
  return {
    top1: right.reduce((a, b) => a + b, 0) / labels.length,
    perClass: Array.from(images, (count, c) => (count === 0 ? null : right[c]! / count)),
  }
}

/** Per class the images that the network as trained has right, and those of them that a variant has, and the others that it has. */
export interface PairedCounts {
  readonly together: readonly number[]
  /** Right as trained, wrong in the variant. */
  readonly lost: readonly number[]
  /** Wrong as trained, right in the variant. */
  readonly gained: readonly number[]
}

/** How two predictions of the same images differ, class by class. */
export function pairedCounts(
  trained: Int32Array,
  variant: Int32Array,
  labels: Int32Array,
  classes: number,
): PairedCounts {
  const [together, lost, gained] = [0, 0, 0].map(() => new Array<number>(classes).fill(0))
  for (const [n, label] of labels.entries()) {
    const [before, after] = [trained[n] === label, variant[n] === label]
    together![label]! += Number(before)
    lost![label]! += Number(before && !after)
    gained![label]! += Number(!before && after)
  }
  return { together: together!, lost: lost!, gained: gained! }
}

/** Whether one of several predictions is right, or wrong, for more images than each other is. */
export function predictionLead(
  predictions: readonly Int32Array[],
  labels: Int32Array,
  counted: 'right' | 'wrong',
): Lead | null {
  const marks = predictions.map(own =>
    Uint8Array.from(own, (prediction, n) => Number((prediction === labels[n]) === (counted === 'right'))),
  )
  const both = (a: number, b: number): number =>
    marks[a]!.reduce((total, mark, n) => total + (mark & marks[b]![n]!), 0)
  return leadOf(
    marks.map(own => own.reduce((total, mark) => total + mark, 0)),
    both,
    labels.length,
  )
}
