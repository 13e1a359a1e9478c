import type { SizeLimits } from '../../metrics/detections/index.ts'
import type { DetectorRecords } from '../../tasks/detection/records.ts'
import type { RoutedLayer } from '../../tasks/routing.ts'
import { affinityOf } from '../affinity.ts'
import { dependenceOf, entropyBits } from '../information.ts'
import { associationOf } from './contingency.ts'
import type { DetectorLayerFindings, GroupingTests } from './findings.ts'
import { testLevels } from './level-test.ts'
import { weightedMedian } from './median-area.ts'
import { testMedians } from './median-test.ts'
import { type Grouping, type TestOptions, testObjects } from './object-tests.ts'
import { type RoutedObjects, routedObjects, topExperts, weightsOfObjects } from './routed-objects.ts'
import { sizeClassOf, sizeNames } from './sizes.ts'

export interface DetectorLayerFacts extends TestOptions {
  readonly records: DetectorRecords
  /** Number of the layer in the records. */
  readonly index: number
  readonly sizes: SizeLimits
  /** How many classes of objects there are. */
  readonly classes: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (what: string, done: number, total: number) => void
}

/** What is to be said about a mixture from how it routed objects; the rest is known otherwise. */
export type ObjectFindings = Omit<DetectorLayerFindings, 'place' | 'constraint' | 'variants' | 'overTraining'>

/** Who does what in one mixture of a detector. Undefined if `signal` came first. */
export async function detectorLayerFindings(facts: DetectorLayerFacts): Promise<ObjectFindings | undefined> {
  const { records, index, sizes, classes, permutations, signal, onProgress } = facts
  const layer = records.routing[index]!
  const used = records.layers[index]!
  const routed = routedObjects(layer, records.objects)
  const ofSize = Int32Array.from(routed.objects, ({ area }) => sizeClassOf(area, sizes))
  const ofClass = Int32Array.from(routed.objects, ({ label }) => label)
  const drain = async <T>(what: string, total: number, steps: Generator<number, T>): Promise<T | undefined> =>
    await drained(steps, signal, done => onProgress?.(what, done, total))
  const test = async (
    what: string,
    grouping: Grouping,
  ): Promise<{ readonly tests: GroupingTests | null; readonly above: number[][] } | undefined> => {
    if (routed.objects.length === 0) return { tests: null, above: ones(grouping.count, layer.experts) }
    const found = await drain(what, 2 * permutations, testObjects(routed, grouping, facts))
    return (
      found && {
        tests: groupingTests(routed, layer, grouping, found),
        above: found.above.map(row => [...row]),
      }
    )
  }
  const levels =
    layer.inputs === 1 ? null : await drain('permuting levels', permutations, testLevels(layer, facts))
  const bySize = await test('permuting sizes', {
    labels: ofSize,
    count: sizeNames.length,
    withCells: true,
  })
  const byClass = await test('permuting classes', { labels: ofClass, count: classes })
  const range = await drain('permuting areas', permutations, testMedians(routed, facts))
  if (levels === undefined || bySize === undefined || byClass === undefined || range === undefined)
    return undefined
  const weights = weightsOfObjects(routed)
  const own = { experts: layer.experts, weights }
  const counts = tableOf(routed, { labels: ofSize, count: sizeNames.length })
  return {
    name: layer.name,
    count: layer.experts,
    k: layer.k,
    inputs: layer.inputs,
    share: [...used.importance],
    activation: [...used.activation],
    cvImportance: used.cvImportance,
    cvActivation: used.cvActivation,
    active: used.active,
    levels: levels && {
      by: affinityOf(layer, levelOfRows(layer), layer.inputs),
      information: levels.information,
      share: shareOf(levels.information.value, layer.weights, layer.experts),
      above: levels.above,
    },
    dependence: dependenceOf(layer),
    objects: {
      count: routed.objects.length,
      units: routed.level.length,
      left: records.objects.length - routed.objects.length,
    },
    sizes: {
      objects: [0, 1, 2].map(size => ofSize.filter(one => one === size).length) as [number, number, number],
      by: affinityOf(own, ofSize, sizeNames.length),
      top: sizeNames.map((_, size) =>
        Array.from(counts.subarray(size * layer.experts, (size + 1) * layer.experts)),
      ),
      tests: bySize.tests,
      above: bySize.above,
    },
    classes: { by: affinityOf(own, ofClass, classes), tests: byClass.tests },
    medianArea: { ...medianAreas(routed, weights), range },
  }
}

/** No group is above chance. */
function ones(rows: number, columns: number): number[][] {
  return Array.from({ length: rows }, () => new Array<number>(columns).fill(1))
}

/** Level of each row of a layer's weights: rows are image by image. */
function levelOfRows({ weights, experts, inputs }: RoutedLayer): Int32Array {
  return Int32Array.from({ length: weights.length / experts }, (_, row) => row % inputs)
}

function groupingTests(
  routed: RoutedObjects,
  { inputs, experts }: RoutedLayer,
  grouping: Grouping,
  {
    information,
    chiSquared,
    withinLevel,
  }: Pick<GroupingTests, 'information' | 'chiSquared'> & {
    readonly withinLevel: NonNullable<GroupingTests['withinLevel']>
  },
): GroupingTests {
  const association = associationOf(tableOf(routed, grouping), experts)
  return {
    information,
    share: shareOf(information.value, weightsOfObjects(routed), experts),
    chiSquared,
    v: association?.v ?? null,
    corrected: association?.corrected ?? null,
    withinLevel: inputs === 1 ? null : withinLevel,
  }
}

/** Objects of each group by their top expert, [groups · E]. */
function tableOf({ unit, weights, experts }: RoutedObjects, { labels, count }: Grouping): Float64Array {
  const top = topExperts(weights, experts)
  const counts = new Float64Array(count * experts)
  for (const [at, own] of unit.entries()) counts[labels[at]! * experts + top[own]!]! += 1
  return counts
}

/** Information ÷ H(expert), of rows of weights. Null where one expert has all of it. */
function shareOf(bits: number, weights: Float32Array, experts: number): number | null {
  const sums = new Float64Array(experts)
  for (const [at, weight] of weights.entries()) sums[at % experts]! += weight
  const own = entropyBits(sums)
  return own > 1e-9 ? Math.min(1, bits / own) : null
}

function medianAreas(
  { objects, unit, weights: ofUnits, experts }: RoutedObjects,
  weights: Float32Array,
): Omit<DetectorLayerFindings['medianArea'], 'range'> {
  const areas = objects.map(({ area }) => area)
  const top = topExperts(ofUnits, experts)
  const median = (weight: (at: number) => number): number | null =>
    weightedMedian(areas, Array.from(areas.keys(), weight))
  const each = Array.from({ length: experts }, (_, expert) => expert)
  return {
    weighted: each.map(expert => median(at => weights[at * experts + expert]!)),
    top: each.map(expert => median(at => Number(top[unit[at]!] === expert))),
    all: median(() => 1),
  }
}

/** Runs steps to their end; now and then tells how far they are and lets others have a turn. Undefined if `signal` came. */
async function drained<T>(
  steps: Generator<number, T>,
  signal: AbortSignal | undefined,
  onStep: (done: number) => void,
): Promise<T | undefined> {
  let paused = performance.now()
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (performance.now() - paused < 100) continue
    onStep(step.value)
    await new Promise(resolve => setImmediate(resolve))
    if (signal?.aborted) return undefined
    paused = performance.now()
  }
}
