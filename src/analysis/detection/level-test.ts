import type { RoutedLayer } from '../../tasks/routing.ts'
import { permutationTest, rowsOf, type Tested } from './permutation-test.ts'
import { partsOfColumns, tableInformation } from './table-information.ts'

/**
 * I(level; expert) in bits over all levels of all images, with weights as probabilities: how much of the choice of expert the
 * level decides. In the test the levels of each image exchange their weights: that within an image it does not matter which
 * level it is.
 *
 * @returns a generator that yields how many permutations are done; `above` is, for each level and expert, the probability
 *   that permutations give the level as much of the expert's weight
 */
export function* testLevels(
  { experts, inputs, weights }: Pick<RoutedLayer, 'experts' | 'inputs' | 'weights'>,
  { permutations, seed }: { readonly permutations: number; readonly seed: number },
): Generator<number, { readonly information: Tested; readonly above: number[][] }> {
  const units = weights.length / experts
  const strata = Int32Array.from({ length: units }, (_, unit) => Math.floor(unit / inputs))
  const [information, ...cells] = yield* permutationTest({ strata, permutations, seed }, order => {
    const table = new Float64Array(inputs * experts)
    for (let unit = 0; unit < units; unit++)
      for (let e = 0; e < experts; e++)
        table[(unit % inputs) * experts + e]! += weights[order[unit]! * experts + e]!
    return [tableInformation(table, experts), ...partsOfColumns(table, experts)]
  })
  return { information: information!, above: rowsOf(cells, experts) }
}
