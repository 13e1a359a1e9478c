import { draws } from '../base/random.ts'

/**
 * An order of an epoch in which every class comes equally often, to within one, and every image of a class as often as its others,
 * to within one: what torch's `WeightedRandomSampler` with weights 1/n_c does in the mean. A function of seed and epoch.
 *
 * @param labels - class of each image
 * @returns as many numbers as there are images. That of an image which comes again is larger by `labels.length` each time, so that
 *   it can be augmented otherwise; see {@link imageOf}
 */
export function balancedOrder(labels: ArrayLike<number>, seed: number, epoch: number): Uint32Array {
  const length = labels.length
  const classes = imagesByClass(labels)
  const extra = draws(seed, 'balanced classes', epoch).permutation(classes.length)
  const times = Math.max(1, Math.floor(2 ** 32 / length))
  const chosen = new Uint32Array(length)
  let at = 0
  for (const [place, images] of classes.entries()) {
    const count = Math.floor(length / classes.length) + (extra[place]! < length % classes.length ? 1 : 0)
    for (let round = 0, left = count; left > 0; round++) {
      const order = draws(seed, `balanced images ${place}`, epoch, round).permutation(images.length)
      const taken = order.subarray(0, left)
      for (const i of taken) chosen[at++] = images[i]! + (round % times) * length
      left -= taken.length
    }
  }
  return draws(seed, 'order', epoch)
    .permutation(length)
    .map(i => chosen[i]!)
}

/** The image that a number of an order stands for, of so many. */
export function imageOf(number: number, images: number): number {
  return number % images
}

/** The images of each class that has any. */
function imagesByClass(labels: ArrayLike<number>): number[][] {
  const byClass = new Map<number, number[]>()
  for (let image = 0; image < labels.length; image++) {
    const own = byClass.get(labels[image]!)
    if (own === undefined) byClass.set(labels[image]!, [image])
    else own.push(image)
  }
  return [...byClass].sort(([a], [b]) => a - b).map(([, images]) => images)
}
