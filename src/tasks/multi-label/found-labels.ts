import type { PairedCounts } from '../classification/accuracy.ts'

/** [images · classes], row-major: 1 where the probability is at least the class's threshold, otherwise 0. */
export function foundAt(probabilities: Float64Array, thresholds: readonly number[]): Uint8Array {
  const classes = thresholds.length
  return Uint8Array.from(probabilities, (probability, at) => Number(probability >= thresholds[at % classes]!))
}

/** The classes of each image, in order. @param marks - [images · classes], 1 for those that it has */
export function labelsOfImages(marks: Uint8Array, classes: number): number[][] {
  return Array.from({ length: marks.length / classes }, (_, image) =>
    Array.from({ length: classes }, (_, label) => label).filter(
      label => marks[image * classes + label] === 1,
    ),
  )
}

/**
 * How the labels that two networks find differ, class by class, over the images that show the class: `together` have it found by
 * the network as trained. What is found on other images does not count, so that a class that few images show is not all about
 * the rest.
 *
 * @param trained, variant, targets - [images · classes]
 */
export function pairedLabels(
  trained: Uint8Array,
  variant: Uint8Array,
  targets: Uint8Array,
  classes: number,
): PairedCounts {
  const [together, lost, gained] = [0, 0, 0].map(() => new Array<number>(classes).fill(0))
  for (const [at, target] of targets.entries()) {
    if (target === 0) continue
    const [before, after] = [trained[at]!, variant[at]!]
    together![at % classes]! += before
    lost![at % classes]! += before & (1 - after)
    gained![at % classes]! += after & (1 - before)
  }
  return { together: together!, lost: lost!, gained: gained! }
}
