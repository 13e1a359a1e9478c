import type { Node, Tensor } from './graph.ts'
import { interpretWith, reachableNodes } from './interpreter.ts'
import { mapNd, type NdArray } from './ndarray.ts'

/**
 * Two computations of one graph that differ in rounding agree to rounding, until one of them makes another discrete choice
 * (see `Choice`): a relu whose input is 10⁻⁹ in one and −10⁻⁹ in the other has a gradient of 1 here and 0 there. Whether a
 * difference comes from that or from a fault is decided by giving one computation the choices of the other: what differs by
 * more than rounding then is a fault.
 */

/** A choice that differs from the given one. */
export interface ChangedChoice {
  /** Where: the label of the node, such as `layer3.1/relu`. */
  readonly label: string
  /** Which element of the tensor that the choice is read from. */
  readonly index: readonly number[]
  /** How far the inputs were from the given choice, in float64. */
  readonly margin: number
  /** The largest magnitude in the tensor that the choice is made from: 2⁻²⁴ of it is lost by rounding to float32. */
  readonly largest: number
}

/** The values of a computation that follows given choices, and the choices that differ. */
export interface FollowedChoices {
  readonly values: readonly NdArray[]
  /** In the order of computation. Each differs by its own rounding only: all earlier choices were followed. */
  readonly changed: readonly ChangedChoice[]
}

/** The tensors from which all discrete choices can be read that `outputs` depend on, in the order of computation. */
export function choicesOf(outputs: readonly Tensor[]): Tensor[] {
  return reachableNodes(outputs).flatMap(({ choice, tensors }) =>
    choice === undefined ? [] : [tensors[choice.output]!],
  )
}

/**
 * Interprets a graph in float64 as `interpret` does, with discrete choices that another computation of it has made.
 *
 * @param outputs - the requested tensors
 * @param feeds - a value for each input that they depend on, by name
 * @param given - the other computation's values of `choicesOf(outputs)`, or of some of them; all others are computed
 * @param options.round - applied to every float32 result of an op; by default nothing
 * @throws MoietyError (usage) when an input is missing
 */
export function interpretFollowing(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<string, NdArray>,
  given: ReadonlyMap<Tensor, NdArray>,
  options: { readonly round?: (value: number) => number } = {},
): FollowedChoices {
  const { round } = options
  const changed: ChangedChoice[] = []
  const rounded = (node: Node, results: readonly NdArray[]): readonly NdArray[] =>
    round === undefined
      ? results
      : results.map((result, i) => (node.tensors[i]!.dtype === 'float32' ? mapNd(result, round) : result))
  const values = interpretWith(outputs, feeds, (node, inputs) => {
    const { choice } = node
    const chosen = choice && given.get(node.tensors[choice.output]!)
    const own = node.evaluate(inputs)
    if (choice === undefined || chosen === undefined) return rounded(node, own)
    const mine = own[choice.output]!
    for (const [at, value] of chosen.data.entries()) {
      if (choice.of(value) === choice.of(mine.data[at]!)) continue
      const index = indexOf(at, chosen.shape)
      const largest = inputs[0]!.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
      changed.push({ label: node.label, index, margin: choice.margin(inputs, chosen, at), largest })
    }
    return rounded(node, choice.follow(inputs, chosen))
  })
  return { values, changed }
}

/** Of an element, given its position among all of them. */
function indexOf(position: number, shape: readonly number[]): number[] {
  let rest = position
  return shape
    .toReversed()
    .map(extent => {
      const index = rest % extent
      rest = Math.floor(rest / extent)
      return index
    })
    .reverse()
}
