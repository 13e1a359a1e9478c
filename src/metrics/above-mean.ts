import { normalTail } from '../base/exact-tests.ts'

/** Fewer images than these are no evidence. */
export const fewestImages = 10

/** A group of images, and what an expert's weight is over it and over all images. */
export interface GroupMean {
  /** Mean weight of the expert over the group. */
  readonly mean: number
  /** Mean and standard deviation of its weight over all images. */
  readonly overall: number
  readonly deviation: number
  /** Independent images of the group. */
  readonly images: number
}

/** How many standard errors of a random draw of as many images a group's mean weight lies above that of all; 0 for few images. */
export function standardErrorsAbove({ mean, overall, deviation, images }: GroupMean): number {
  const error = deviation / Math.sqrt(Math.max(1, images))
  return images < fewestImages || error === 0 ? 0 : (mean - overall) / error
}

/**
 * The probability that a random draw of as many images has a mean weight at least as far from that of all images: two-sided, by
 * the normal distribution; 1 for a mean that does not lie above, and for few images.
 */
export function probabilityOfMean(group: GroupMean): number {
  const z = standardErrorsAbove(group)
  return z <= 0 ? 1 : 2 * normalTail(z)
}
