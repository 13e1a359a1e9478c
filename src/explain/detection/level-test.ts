import type { RoutedLayer } from '../../evaluate/detector/index.ts'
import { permutationTest, type Tested } from './permutation-test.ts'
import { tableInformation } from './table-information.ts'

/**
 * I(level; expert) in bits over all levels of all images, with weights as probabilities: how much of the choice of expert the
 * level decides. In the test the levels of each image exchange their weights: that within an image it does not matter which
 * level it is.
 *
 * @returns a generator that yields how many permutations are done
 */
export function* testLevels(
  { experts, inputs, weights }: Pick<RoutedLayer, 'experts' | 'inputs' | 'weights'>,
  { permutations, seed }: { readonly permutations: number; readonly seed: number },
): Generator<number, Tested> {
  const units = weights.length / experts
  const strata = Int32Array.from({ length: units }, (_, unit) => Math.floor(unit / inputs))
  const [tested] = yield* permutationTest({ strata, permutations, seed }, order => {
    const table = new Float64Array(inputs * experts)
    for (let unit = 0; unit < units; unit++)
      for (let e = 0; e < experts; e++)
        table[(unit % inputs) * experts + e]! += weights[order[unit]! * experts + e]!
    return [tableInformation(table, experts)]
  })
  return tested!
}
