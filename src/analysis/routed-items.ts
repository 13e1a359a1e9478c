import { type LabelledItem, type RoutedLayer, rowOf } from '../tasks/routing.ts'

/**
 * Items (images, objects) by where they were routed. A mixture routes inputs: a whole image, or in a detector's head one level
 * of one. Items of one input share its weights, so that they are no independent witnesses; inputs are. An input that holds an
 * item is a unit.
 */
export interface RoutedItems<T = unknown> {
  /** E. */
  readonly experts: number
  /** Those that have a unit; in a head those that some anchor overlaps. */
  readonly items: readonly T[]
  /** For each item the number of its unit, [items]. */
  readonly unit: Int32Array
  /** The level of each unit, 0 to 4 for P3 to P7; 0 where whole images are routed. [units] */
  readonly level: Int32Array
  /** The image of each unit, [units] */
  readonly image: Int32Array
  /** float32 [units, E] */
  readonly weights: Float32Array
}

/** Finds each item's unit: of an object box → best anchor → level → weights (METHOD.md §5.5). Inputs without items are left out. */
export function routedItems<T extends Pick<LabelledItem, 'image' | 'level'>>(
  layer: Pick<RoutedLayer, 'experts' | 'inputs' | 'weights'>,
  items: readonly T[],
): RoutedItems<T> {
  const { experts, inputs } = layer
  const placed = items.filter(item => rowOf(layer, item) !== undefined)
  const numbers = new Map<number, number>()
  const unit = Int32Array.from(placed, item => {
    const row = rowOf(layer, item)!
    const number = numbers.get(row) ?? numbers.size
    numbers.set(row, number)
    return number
  })
  const rows = Int32Array.from(numbers.keys())
  const weights = new Float32Array(rows.length * experts)
  for (const [number, row] of rows.entries())
    weights.set(layer.weights.subarray(row * experts, (row + 1) * experts), number * experts)
  return {
    experts,
    items: placed,
    unit,
    level: rows.map(row => row % inputs),
    image: rows.map(row => Math.floor(row / inputs)),
    weights,
  }
}

/** The weights of each item, float32 [items, E]. */
export function weightsOfItems({
  experts,
  unit,
  weights,
}: Pick<RoutedItems, 'experts' | 'unit' | 'weights'>): Float32Array {
  const own = new Float32Array(unit.length * experts)
  for (const [at, number] of unit.entries())
    own.set(weights.subarray(number * experts, (number + 1) * experts), at * experts)
  return own
}

/** The expert with the largest weight in each row of [rows, E]; of equal ones the first. */
export function topExperts(weights: Float32Array, experts: number): Int32Array {
  return Int32Array.from({ length: weights.length / experts }, (_, row) => {
    let best = 0
    for (let e = 1; e < experts; e++)
      if (weights[row * experts + e]! > weights[row * experts + best]!) best = e
    return best
  })
}
