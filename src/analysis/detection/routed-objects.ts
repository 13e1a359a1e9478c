import type { TrueObject } from '../../tasks/detection/records.ts'
import { type RoutedLayer, weightsAt } from '../../tasks/routing.ts'

/**
 * Objects by where they were routed. A mixture routes units: a level of an image in a head, a whole image in the backbone.
 * Objects of one unit share its weights, so that they are no independent witnesses; units are.
 */
export interface RoutedObjects {
  /** E. */
  readonly experts: number
  /** Those that have a unit; in a head those that some anchor overlaps. */
  readonly objects: readonly TrueObject[]
  /** For each object the number of its unit, [objects]. */
  readonly unit: Int32Array
  /** The level of each unit, 0 to 4 for P3 to P7; 0 where whole images are routed. [units] */
  readonly level: Int32Array
  /** float32 [units, E] */
  readonly weights: Float32Array
}

/** Finds each object's unit: box → best anchor → level → weights (METHOD.md §5.5). Units without objects are left out. */
export function routedObjects(layer: RoutedLayer, objects: readonly TrueObject[]): RoutedObjects {
  const { experts, inputs } = layer
  const placed = inputs === 1 ? objects : objects.filter(({ level }) => level >= 0)
  const numbers = new Map<number, number>()
  const level: number[] = []
  const rows: Float32Array[] = []
  const unit = Int32Array.from(placed, object => {
    const at = inputs === 1 ? 0 : object.level
    const place = object.image * inputs + at
    const known = numbers.get(place)
    if (known !== undefined) return known
    numbers.set(place, rows.length)
    level.push(at)
    rows.push(weightsAt(layer, object.image, at))
    return rows.length - 1
  })
  const weights = new Float32Array(rows.length * experts)
  for (const [row, own] of rows.entries()) weights.set(own, row * experts)
  return { experts, objects: placed, unit, level: Int32Array.from(level), weights }
}

/** The weights of each object, float32 [objects, E]. */
export function weightsOfObjects({ experts, unit, weights }: RoutedObjects): Float32Array {
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
