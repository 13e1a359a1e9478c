import { chiSquaredOf } from './contingency.ts'
import { permutationTest, rowsOf, type Tested } from './permutation-test.ts'
import { type RoutedObjects, topExperts } from './routed-objects.ts'
import { conditionalInformation, partsOfColumns, tableInformation } from './table-information.ts'

/** What goes with the experts: a number for each object, such as its class of size. */
export interface Grouping {
  /** int32 [objects], from 0 to `count` − 1. */
  readonly labels: Int32Array
  readonly count: number
  /** Whether each group and expert is tested, too. */
  readonly withCells?: boolean
}

export interface TestOptions {
  readonly permutations: number
  readonly seed: number
}

/** Whether a grouping of objects goes with the experts. */
export interface ObjectTests {
  /** I(group; expert) in bits, where an object counts with its unit's weights. */
  readonly information: Tested
  /** χ² of the table of groups by the expert that weighs most. */
  readonly chiSquared: Tested
  /** I(group; expert | level) in bits; only units of one level exchange their weights. */
  readonly withinLevel: Tested
  /** For each group and expert the probability that permutations give the group as much of the expert's weight. */
  readonly above: readonly (readonly number[])[]
}

/**
 * Tests whether a grouping of objects goes with the experts.
 *
 * What is exchanged are the weights of units, and all objects of a unit keep together: since they share its weights, to
 * shuffle objects would take one gate's decision for many. The first two tests exchange units of all levels: that routing
 * has nothing to do with what is in the units. Where levels go to different experts that is refuted for sizes almost of
 * itself, as a level is made for a size. The third exchanges units of the same level, images with images: that routing,
 * once the level is known, has nothing to do with the objects.
 *
 * @returns a generator that yields how many permutations of 2 · `permutations` are done
 */
export function* testObjects(
  routed: RoutedObjects,
  grouping: Grouping,
  { permutations, seed }: TestOptions,
): Generator<number, ObjectTests> {
  const { experts, level, weights } = routed
  const { count } = grouping
  const top = topExperts(weights, experts)
  const cells = cellsOf(routed, grouping)
  const table = (order: Int32Array): Float64Array => {
    const sums = new Float64Array(count * experts)
    for (const { unit, group, objects } of cells)
      for (let e = 0; e < experts; e++)
        sums[group * experts + e]! += objects * weights[order[unit]! * experts + e]!
    return sums
  }
  const counts = (order: Int32Array): Float64Array => {
    const sums = new Float64Array(count * experts)
    for (const { unit, group, objects } of cells) sums[group * experts + top[order[unit]!]!]! += objects
    return sums
  }
  const levels = level.reduce((most, one) => Math.max(most, one + 1), 0)
  const byLevel = (order: Int32Array): Float64Array[] => {
    const tables = Array.from({ length: levels }, () => new Float64Array(count * experts))
    for (const { unit, group, objects } of cells)
      for (let e = 0; e < experts; e++)
        tables[level[unit]!]![group * experts + e]! += objects * weights[order[unit]! * experts + e]!
    return tables
  }
  const everywhere = { strata: new Int32Array(level.length), permutations, seed }
  const [information, chiSquared, ...parts] = yield* permutationTest(everywhere, order => {
    const sums = table(order)
    const cellParts = grouping.withCells === true ? partsOfColumns(sums, experts) : []
    return [tableInformation(sums, experts), chiSquaredOf(counts(order), experts), ...cellParts]
  })
  const [withinLevel] = yield* after(
    permutations,
    permutationTest({ strata: level, permutations, seed }, order => [
      conditionalInformation(byLevel(order), experts),
    ]),
  )
  return {
    information: information!,
    chiSquared: chiSquared!,
    withinLevel: withinLevel!,
    above: rowsOf(parts, experts),
  }
}

/** The same steps, counted on from those before. */
function* after<T>(before: number, steps: Generator<number, T>): Generator<number, T> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    yield before + step.value
  }
}

/** Objects of one unit and one group. */
interface Cell {
  readonly unit: number
  readonly group: number
  readonly objects: number
}

function cellsOf({ unit }: RoutedObjects, { labels, count }: Grouping): Cell[] {
  const objects = new Map<number, number>()
  for (const [at, own] of unit.entries()) {
    const place = own * count + labels[at]!
    objects.set(place, (objects.get(place) ?? 0) + 1)
  }
  return Array.from(objects, ([place, amount]) => ({
    unit: Math.floor(place / count),
    group: place % count,
    objects: amount,
  }))
}
