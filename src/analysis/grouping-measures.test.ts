import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import type { TrueObject } from '../tasks/detection/records.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import { associationOf, chiSquaredOf } from './contingency.ts'
import { testMedians, weightedMedian } from './detection/median-areas.ts'
import { sizeClassOf } from './detection/sizes.ts'
import { testGrouping } from './grouping-test.ts'
import { conditionalInformation, tableInformation } from './information.ts'
import { permutationTest } from './permutation-test.ts'
import { type RoutedItems, routedItems, topExperts, weightsOfItems } from './routed-items.ts'

const f64 = (...values: number[]) => Float64Array.from(values)

function drained<T>(steps: Generator<number, T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

describe('sizes', () => {
  it("parts areas at COCO's limits, once each", () => {
    const limits = [32, 96] as const
    expect([0, 1023.9, 1024, 9215.9, 9216, 1e9].map(area => sizeClassOf(area, limits))).toEqual([
      0, 0, 1, 1, 2, 2,
    ])
    expect(sizeClassOf(300, [16, 48])).toBe(1)
  })
})

describe('association of a table', () => {
  it('is what Pearson, Cramér and Bergsma define', () => {
    // Of 2 × 2 counts [[30, 10], [10, 50]] the expected are 16, 24, 24, 36: χ² = 196/16 + 196/24 + 196/24 + 196/36.
    const found = associationOf([30, 10, 10, 50], 2)!
    expect(found.chiSquared).toBeCloseTo(34.0277777, 6)
    expect(found.v).toBeCloseTo(Math.sqrt(0.340277777), 6)
    // φ² − 1/99 = 0.330176767 over 2 − 1/99 − 1 = 0.98989899.
    expect(found.corrected).toBeCloseTo(Math.sqrt(0.330176767 / 0.98989899), 6)
  })

  it('is 0 for independent rows and columns and 1 where rows decide columns, whatever is empty', () => {
    expect(associationOf([10, 20, 30, 60], 2)).toEqual({ chiSquared: 0, v: 0, corrected: 0 })
    expect(associationOf([5, 0, 0, 0, 0, 0, 0, 0, 7], 3)?.v).toBeCloseTo(1, 12)
    expect(associationOf([5, 0, 0, 0, 0, 0, 0, 0, 7], 3)?.corrected).toBeCloseTo(1, 12)
  })

  it('cannot be told of one row or one column', () => {
    expect(associationOf([4, 5, 0, 0], 2)).toBeNull()
    expect(associationOf([4, 0, 9, 0], 2)).toBeNull()
    expect(associationOf([0, 0, 0, 0], 2)).toBeNull()
    expect(chiSquaredOf([0, 0, 0, 0], 2)).toBe(0)
  })
})

describe('information of a table', () => {
  it('is H(row) + H(column) − H(row, column)', () => {
    expect(tableInformation(f64(1, 0, 0, 1), 2)).toBeCloseTo(1, 12)
    expect(tableInformation(f64(1, 3, 2, 6), 2)).toBeCloseTo(0, 12)
    // p = ½ ½ against ¾ ¼: 2 · ⅜ log₂ ³⁄₂ + … = 1 − H(¼) = 0.188722.
    expect(tableInformation(f64(3, 1, 1, 3), 2)).toBeCloseTo(0.188721875, 8)
    expect(tableInformation(f64(0, 0, 0, 0), 2)).toBe(0)
  })

  it('given a stratum is the mean over strata, by their weight', () => {
    const tables = [f64(1, 0, 0, 1), f64(1, 1, 1, 1), f64(0, 0, 0, 0)]
    expect(conditionalInformation(tables, 2)).toBeCloseTo(1 / 3, 12)
    // What all of the relation owes to the strata is no information within them.
    expect(conditionalInformation([f64(5, 0, 0, 0), f64(0, 0, 0, 5)], 2)).toBe(0)
  })
})

describe('the weighted median', () => {
  it('has half of the weight at or below it', () => {
    expect(weightedMedian([9, 1, 4], [1, 1, 1])).toBe(4)
    expect(weightedMedian([9, 1, 4], [3, 1, 1])).toBe(9)
    expect(weightedMedian([1, 2, 3, 4], [1, 1, 1, 1])).toBe(2)
    expect(weightedMedian([1, 2, 3], [0.1, 0.2, 0.3])).toBe(2)
    expect(weightedMedian([7], [0])).toBeNull()
    expect(weightedMedian([], [])).toBeNull()
  })
})

const layer: RoutedLayer = {
  name: 'head',
  experts: 2,
  k: 1,
  inputs: 5,
  logits: new Float32Array(),
  // Image 0 sends P3 to expert 0 and the rest to expert 1; image 1 halves everything.
  weights: Float32Array.from([1, 0, 0, 1, 0, 1, 0, 1, 0, 1, ...new Array<number>(10).fill(0.5)]),
}
const object = (image: number, level: number, area = 100): TrueObject => ({
  image,
  object: 0,
  label: 0,
  area,
  level,
})

describe('objects where they were routed', () => {
  it('share the weights of their unit, and those that no anchor overlaps have none', () => {
    const routed = routedItems(layer, [object(0, 0), object(0, 0), object(0, 3), object(1, 0), object(1, -1)])
    expect(routed.items).toHaveLength(4)
    expect([...routed.unit]).toEqual([0, 0, 1, 2])
    expect([...routed.level]).toEqual([0, 3, 0])
    expect([...routed.weights]).toEqual([1, 0, 0, 1, 0.5, 0.5])
    expect([...weightsOfItems(routed)]).toEqual([1, 0, 1, 0, 0, 1, 0.5, 0.5])
    expect([...topExperts(routed.weights, 2)]).toEqual([0, 1, 0])
  })

  it('all have that of their image where whole images are routed', () => {
    const backbone = { ...layer, inputs: 1, weights: Float32Array.from([1, 0, 0, 1]) }
    const routed = routedItems(backbone, [object(1, -1), object(0, 2), object(1, 4)])
    expect([...routed.unit]).toEqual([0, 1, 0])
    expect([...routed.level]).toEqual([0, 0])
    expect([...routed.weights]).toEqual([0, 1, 1, 0])
  })
})

describe('the permutation test', () => {
  const options = { permutations: 999, seed: 1 }

  it('exchanges units of one stratum only, and leaves those alone that are by themselves', () => {
    const strata = Int32Array.of(0, 1, 0, 1, 2)
    const seen = new Set<string>()
    drained(
      permutationTest({ strata, permutations: 50, seed: 3 }, order => {
        for (const [unit, other] of order.entries()) expect(strata[other]).toBe(strata[unit])
        expect(order[4]).toBe(4)
        seen.add(order.join())
        return [0]
      }),
    )
    expect(seen.size).toBe(4)
  })

  it('says p = (1 + b) / (1 + n), ties among b', () => {
    // A statistic that no permutation changes is reached by all; one that is largest as found by few.
    const strata = new Int32Array(40)
    const [same, first] = drained(
      permutationTest({ strata, ...options }, order => [7, order.every((other, at) => other === at) ? 1 : 0]),
    )
    expect(same).toEqual({ value: 7, chance: 7, chance95: 7, p: 1, permutations: 999 })
    expect(first).toEqual({ value: 1, chance: 0, chance95: 0, p: 1 / 1000, permutations: 999 })
  })

  /** Images with a small object on P3 and a large one on P6; `weight` says how an expert 0 is weighed there. */
  function routedBy(
    weight: (level: number, image: number, u: number) => number,
    images = 60,
  ): RoutedItems<TrueObject> {
    const source = draws(9, 'made-up routing')
    const rows = Array.from({ length: images * 2 }, (_, unit) => {
      const share = weight(unit % 2 === 0 ? 0 : 3, unit >> 1, source.uniform())
      return [share, 1 - share]
    })
    return {
      experts: 2,
      items: rows.map((_, unit) => object(unit >> 1, unit % 2 === 0 ? 0 : 3)),
      image: Int32Array.from(rows, (_, unit) => unit >> 1),
      unit: Int32Array.from(rows.keys()),
      level: Int32Array.from(rows, (_, unit) => (unit % 2 === 0 ? 0 : 3)),
      weights: Float32Array.from(rows.flat()),
    }
  }
  const sizes = {
    labels: Int32Array.from({ length: 120 }, (_, at) => (at % 2) * 2),
    count: 3,
    withinLevel: true,
  }

  it('finds sizes that go to experts, and that the level explains all of it', () => {
    const tests = drained(
      testGrouping(
        routedBy((level, _, u) => (level === 0 ? 0.6 + 0.4 * u : 0.4 * u)),
        sizes,
        options,
      ),
    )
    expect(tests.information.value).toBeGreaterThan(0.2)
    expect(tests.information.p).toBe(1 / 1000)
    expect(tests.chiSquared.value).toBeCloseTo(120, 6)
    expect(tests.chiSquared.p).toBe(1 / 1000)
    // Within a level there is one size, so there is nothing to tell.
    expect(tests.withinLevel).toMatchObject({ value: 0, p: 1 })
  })

  it('finds none where experts ignore the level, nor in one decision for many objects', () => {
    const tests = drained(
      testGrouping(
        routedBy((_, __, u) => Math.round(u)),
        sizes,
        options,
      ),
    )
    expect(tests.information.p).toBeGreaterThan(0.05)
    expect(tests.chiSquared.p).toBeGreaterThan(0.05)
    // Two units with forty objects each: only one other order, so p cannot be small, as χ² of 80 objects would say.
    const crowds: RoutedItems<TrueObject> = {
      experts: 2,
      items: Array.from({ length: 80 }, (_, at) => object(0, at < 40 ? 0 : 3)),
      image: Int32Array.of(0, 0),
      unit: Int32Array.from({ length: 80 }, (_, at) => Number(at >= 40)),
      level: Int32Array.of(0, 3),
      weights: Float32Array.of(1, 0, 0, 1),
    }
    const labels = Int32Array.from({ length: 80 }, (_, at) => (at < 40 ? 0 : 2))
    expect(drained(testGrouping(crowds, { labels, count: 3 }, options)).information).toMatchObject({
      value: 1,
      p: 1,
    })
  })

  it('finds what objects decide beyond their level', () => {
    const labels = Int32Array.from({ length: 120 }, (_, at) => (at >> 1) % 2)
    const byImage = routedBy((_, image, u) => (image % 2 === 0 ? 0.5 + u / 2 : u / 2))
    const { withinLevel } = drained(testGrouping(byImage, { labels, count: 2, withinLevel: true }, options))
    expect(withinLevel!.value).toBeGreaterThan(withinLevel!.chance95)
    expect(withinLevel!.p).toBe(1 / 1000)
  })

  it('finds that levels go to different experts, and that they do not', () => {
    const images = 30
    const of = (weight: (level: number, u: number) => number) => {
      const source = draws(4, 'made-up levels')
      const weights = Float32Array.from({ length: images * 10 }, () => 0)
      for (let unit = 0; unit < images * 5; unit++) {
        weights[2 * unit] = weight(unit % 5, source.uniform())
        weights[2 * unit + 1] = 1 - weights[2 * unit]!
      }
      const items = Array.from({ length: images * 5 }, (_, unit) => ({
        image: Math.floor(unit / 5),
        level: unit % 5,
      }))
      const labelling = {
        labels: Int32Array.from(items, ({ level }) => level),
        count: 5,
        withCells: true,
        exchanged: 'within images' as const,
      }
      return drained(testGrouping(routedItems({ experts: 2, inputs: 5, weights }, items), labelling, options))
    }
    const split = of(level => Number(level < 2))
    // H(2/5) bits: the level decides the expert.
    expect(split.information.value).toBeCloseTo(0.970950594, 6)
    expect(split.information.p).toBe(1 / 1000)
    // Each fine level gives expert 0 more than chance, each coarse one expert 1; nothing is above where nothing goes.
    expect(split.above.map(row => row.map(p => p <= 0.001))).toEqual([
      ...[0, 1].map(() => [true, false]),
      ...[2, 3, 4].map(() => [false, true]),
    ])
    const blind = of((_, u) => u)
    expect(blind.information.p).toBeGreaterThan(0.05)
    for (const p of blind.above.flat()) expect(p).toBeGreaterThan(0.05 / 10)
  })

  it('tests each size and expert', () => {
    const withCells = { ...sizes, withCells: true }
    const split = drained(
      testGrouping(
        routedBy((level, _, u) => (level === 0 ? 0.6 + 0.4 * u : 0.4 * u)),
        withCells,
        options,
      ),
    )
    expect(split.above.map(row => row.map(p => p <= 0.001))).toEqual([
      [true, false],
      [false, false],
      [false, true],
    ])
    const blind = drained(
      testGrouping(
        routedBy((_, __, u) => Math.round(u)),
        withCells,
        options,
      ),
    )
    for (const p of blind.above.flat()) expect(p).toBeGreaterThan(0.05 / 6)
    expect(
      drained(
        testGrouping(
          routedBy(() => 0.5),
          sizes,
          options,
        ),
      ).above,
    ).toEqual([])
  })

  it('tells medians apart only beyond what the largest and the smallest are by chance', () => {
    const areas = (routed: RoutedItems<TrueObject>): RoutedItems<TrueObject> => ({
      ...routed,
      items: routed.items.map((one, at) => ({ ...one, area: (at % 2 === 0 ? 100 : 400) + at })),
    })
    const split = drained(testMedians(areas(routedBy(level => Number(level === 0))), options))!
    expect(split).toMatchObject({ largest: 1, smallest: 0 })
    // Of 60 objects of each expert the 30th: 400 + 59 over 100 + 58.
    expect(split.tested.value).toBeCloseTo(459 / 158, 12)
    expect(split.tested.p).toBe(1 / 1000)
    const blind = drained(testMedians(areas(routedBy((_, __, u) => Math.round(u))), options))!
    expect(blind.tested.value).toBeGreaterThanOrEqual(1)
    expect(blind.tested.p).toBeGreaterThan(0.05)
    expect(drained(testMedians(areas(routedBy(() => 1)), options)), 'one active expert').toBeNull()
  })
})
