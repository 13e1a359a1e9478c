import { chiSquaredOf } from './contingency.ts'
import { conditionalInformation, partsOfColumns, tableInformation } from './information.ts'
import { permutationTest, rowsOf, type Tested } from './permutation-test.ts'
import { type RoutedItems, topExperts } from './routed-items.ts'

/** What may go with the experts: a number for each item, such as its class or its class of size. */
export interface Labelling {
  /** int32 [items], from 0 to `count` − 1. */
  readonly labels: Int32Array
  readonly count: number
  /** Whether each group and expert is tested, too. */
  readonly withCells?: boolean
  /** Which units exchange their weights: all of them by default, or those of one image. */
  readonly exchanged?: 'everywhere' | 'within images'
  /** Whether to test what the group tells beyond the level. */
  readonly withinLevel?: boolean
}

export interface TestOptions {
  readonly permutations: number
  readonly seed: number
}

/** Whether a grouping of items goes with the experts. */
export interface GroupingTests {
  /** I(group; expert) in bits, where an item counts with its unit's weights. */
  readonly information: Tested
  /** χ² of the table of groups by the expert that weighs most. */
  readonly chiSquared: Tested
  /** I(group; expert | level) in bits; only units of one level exchange their weights. Null where it is not asked for. */
  readonly withinLevel: Tested | null
  /** For each group and expert the probability that permutations give the group as much of the expert's weight. */
  readonly above: number[][]
}

/**
 * Tests whether a grouping of items goes with the experts: of the images of a classifier, of a detector's objects, and of the
 * levels of a feature pyramid.
 *
 * What is exchanged are the weights of units, and all items of a unit keep together: since they share its weights, to
 * shuffle items would take one gate's decision for many. The first two tests exchange units of all levels: that routing
 * has nothing to do with what is in the units. Where levels go to different experts that is refuted for sizes almost of
 * itself, as a level is made for a size. The third exchanges units of the same level, images with images: that routing,
 * once the level is known, has nothing to do with the items. Levels themselves are exchanged within an image: that within an image it
 * does not matter which level it is.
 *
 * @returns a generator that yields how many permutations are done of {@link permutationsOf}
 */
export function* testGrouping(
  routed: Omit<RoutedItems, 'items'>,
  labelling: Labelling,
  { permutations, seed }: TestOptions,
): Generator<number, GroupingTests> {
  const { experts, level, image, weights } = routed
  const { count } = labelling
  const top = topExperts(weights, experts)
  const cells = cellsOf(routed, labelling)
  const add = (sums: Float64Array, { unit, group, items }: Cell, order: Int32Array): void => {
    const [to, from] = [group * experts, order[unit]! * experts]
    for (let e = 0; e < experts; e++) sums[to + e]! += items * weights[from + e]!
  }
  const table = (order: Int32Array): Float64Array => {
    const sums = new Float64Array(count * experts)
    for (const cell of cells) add(sums, cell, order)
    return sums
  }
  const counts = (order: Int32Array): Float64Array => {
    const sums = new Float64Array(count * experts)
    for (const { unit, group, items } of cells) sums[group * experts + top[order[unit]!]!]! += items
    return sums
  }
  const levels = level.reduce((most, one) => Math.max(most, one + 1), 0)
  const byLevel = (order: Int32Array): Float64Array[] => {
    const tables = Array.from({ length: levels }, () => new Float64Array(count * experts))
    for (const cell of cells) add(tables[level[cell.unit]!]!, cell, order)
    return tables
  }
  const strata = labelling.exchanged === 'within images' ? image : new Int32Array(level.length)
  const [information, chiSquared, ...parts] = yield* permutationTest(
    { strata, permutations, seed },
    order => {
      const sums = table(order)
      const cellParts = labelling.withCells === true ? partsOfColumns(sums, experts) : []
      return [tableInformation(sums, experts), chiSquaredOf(counts(order), experts), ...cellParts]
    },
  )
  const within = labelling.withinLevel
    ? yield* after(
        permutations,
        permutationTest({ strata: level, permutations, seed }, order => [
          conditionalInformation(byLevel(order), experts),
        ]),
      )
    : []
  return {
    information: information!,
    chiSquared: chiSquared!,
    withinLevel: within[0] ?? null,
    above: rowsOf(parts, experts),
  }
}

/** How many permutations a test takes altogether. */
export function permutationsOf({ withinLevel }: Labelling, { permutations }: TestOptions): number {
  return withinLevel ? 2 * permutations : permutations
}

/** The same steps, counted on from those before. */
function* after<T>(before: number, steps: Generator<number, T>): Generator<number, T> {
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value
    yield before + step.value
  }
}

/** Items of one unit and one group. */
interface Cell {
  readonly unit: number
  readonly group: number
  readonly items: number
}

function cellsOf({ unit }: Pick<RoutedItems, 'unit'>, { labels, count }: Labelling): Cell[] {
  const items = new Map<number, number>()
  for (const [at, own] of unit.entries()) {
    const place = own * count + labels[at]!
    items.set(place, (items.get(place) ?? 0) + 1)
  }
  return Array.from(items, ([place, amount]) => ({
    unit: Math.floor(place / count),
    group: place % count,
    items: amount,
  }))
}
