import { draws } from '../../base/random.ts'
import type { SplitName } from '../split-names.ts'

/** Fraction of images for testing where a folder has no splits, as for folders of classes. */
const testShare = 0.2

/**
 * Divides images at random by `seed` into training and testing. Depends on their names, not on their order, so that an
 * annotation file may be written again.
 */
export function divide<T extends NonNullable<unknown>>(
  images: readonly T[],
  nameOf: (image: T) => string,
  seed: number,
): ReadonlyMap<SplitName, readonly T[]> {
  const sorted = images.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0))
  const order = draws(seed, 'box split', 0).permutation(sorted.length)
  const count = Math.max(0, Math.min(Math.ceil(sorted.length * testShare), sorted.length - 1))
  const testing = new Set(Array.from(order.subarray(0, count), place => sorted[place]!))
  return new Map([
    ['train', images.filter(image => !testing.has(image))],
    ['test', images.filter(image => testing.has(image))],
  ])
}

/** For logs. */
export function divisionInWords(seed: number): string {
  return `no splits, so a fifth of the images is for testing (seed ${seed})`
}
