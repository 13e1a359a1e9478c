import { draws } from '../../base/random.ts'

/** What decides which split an image goes to. */
interface Labelled {
  /** Places among the classes, ascending. */
  readonly labels: readonly number[]
}

/**
 * At most `count` images, as evenly spread over the classes as there are images: classes take turns, then images without a label,
 * and each takes its next image that is not taken yet. No randomness: a smaller limit keeps some of what a larger one keeps.
 *
 * @returns those that are taken, in their order
 */
export function spreadOverLabels<T extends Labelled>(
  images: readonly T[],
  classes: number,
  count: number,
): readonly T[] {
  if (count >= images.length) return images
  const queues = queuesOf(images, classes).filter(queue => queue.length > 0)
  const next = queues.map(() => 0)
  const taken = new Set<number>()
  for (let turn = 0; taken.size < count; turn = (turn + 1) % queues.length) {
    const queue = queues[turn]!
    while (next[turn]! < queue.length && taken.has(queue[next[turn]!]!)) next[turn]!++
    const place = queue[next[turn]!]
    if (place !== undefined) taken.add(place)
  }
  return images.filter((_, place) => taken.has(place))
}

/**
 * A fifth of the images for testing, with about a fifth of each class: iterative stratification (Sechidis et al. 2011), the
 * rarest class first, whose images are the hardest to divide evenly. At random by `seed`; of a class with fewer than five images
 * that no rarer class has divided, all are for training.
 */
export function splitByLabels<T extends Labelled>(
  images: readonly T[],
  classes: number,
  seed: number,
): { readonly train: readonly T[]; readonly test: readonly T[] } {
  const queues = queuesOf(images, classes).toSorted((a, b) => a.length - b.length)
  const isTest = new Map<number, boolean>()
  for (const [turn, queue] of queues.entries()) {
    const order = draws(seed, 'label split', 0, turn).permutation(queue.length)
    let missing = Math.floor(queue.length * testShare) - queue.filter(place => isTest.get(place)).length
    for (const at of order) {
      const place = queue[at]!
      if (isTest.has(place)) continue
      isTest.set(place, missing > 0)
      missing--
    }
  }
  return {
    train: images.filter((_, place) => !isTest.get(place)),
    test: images.filter((_, place) => isTest.get(place)),
  }
}

/** As of a folder of images. */
const testShare = 0.2

/** The places of each class's images, and last of those that have no label. */
function queuesOf(images: readonly Labelled[], classes: number): number[][] {
  const queues = Array.from({ length: classes + 1 }, (): number[] => [])
  for (const [place, { labels }] of images.entries())
    for (const label of labels.length === 0 ? [classes] : labels) queues[label]!.push(place)
  return queues
}
