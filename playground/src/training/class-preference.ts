import { draws, tableInformation } from 'moiety/step'

/** Shuffles of the labels: their mean is what chance gives. */
const shuffles = 20

/**
 * How much the class of an image tells about its experts, in bits: I(class; expert), less what shuffled classes give. 0 where every expert
 * gets the same of every class, as generalists do, and where one expert gets everything.
 *
 * @param weights - [N, E]
 * @param labels - [N]
 */
export function classPreference(weights: Float32Array, labels: Int32Array, experts: number): number {
  const classes = labels.reduce((most, label) => Math.max(most, label + 1), 0)
  const bits = (classOf: Int32Array): number => {
    const table = new Float64Array(classes * experts)
    for (const [image, label] of classOf.entries())
      for (let expert = 0; expert < experts; expert++)
        table[label * experts + expert]! += weights[image * experts + expert]!
    return tableInformation(table, experts)
  }
  const source = draws(0, 'class preference')
  const shuffled = Int32Array.from(labels)
  let chance = 0
  for (let round = 0; round < shuffles; round++) {
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = Math.floor(source.uniform() * (last + 1))
      const kept = shuffled[last]!
      shuffled[last] = shuffled[other]!
      shuffled[other] = kept
    }
    chance += bits(shuffled) / shuffles
  }
  return Math.max(0, bits(labels) - chance)
}
