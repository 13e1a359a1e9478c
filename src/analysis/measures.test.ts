import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { accuracyOf } from '../tasks/classification/accuracy.ts'
import { affinityOf } from './affinity.ts'
import { coactivationOf } from './coactivation.ts'
import { galleryOf } from './gallery.ts'
import { testGrouping } from './grouping-test.ts'
import { dependenceOf, entropyBits, shareOfExperts } from './information.ts'
import { routedItems, weightsOfItems } from './routed-items.ts'

/** Rows of weights as a layer's records have them. */
function routed(rows: readonly (readonly number[])[]): { experts: number; weights: Float32Array } {
  return { experts: rows[0]!.length, weights: Float32Array.from(rows.flat()) }
}

const test = { permutations: 200, seed: 1 }

/** I(class; expert) of images, of which those with −1 are left out. */
function informationOf(
  layer: { readonly experts: number; readonly weights: Float32Array },
  labels: Int32Array,
  count: number,
  options: typeof test,
) {
  const items = Array.from(labels, (label, image) => ({ image, label, level: 0 }))
  const known = routedItems(
    { ...layer, inputs: 1 },
    items.filter(({ label }) => label >= 0),
  )
  const own = Int32Array.from(known.items, ({ label }) => label)
  const steps = testGrouping(known, { labels: own, count }, options)
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done !== true) continue
    const { value: bits, ...rest } = step.value.information
    return { bits, ...rest, share: shareOfExperts(bits, weightsOfItems(known), layer.experts) }
  }
}

describe('class × expert', () => {
  const layer = routed([
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0, 1, 0],
  ])

  it('has mean weights, shares of choices, and lift over the expert’s mean, worked out by hand', () => {
    expect(affinityOf(layer, Int32Array.of(0, 0, 1), 2)).toEqual({
      weight: [
        [0.75, 0.25, 0],
        [0, 1, 0],
      ],
      activation: [
        [1, 0.5, 0],
        [0, 1, 0],
      ],
      lift: [
        [1.5, 0.5, null],
        [0, 2, null],
      ],
    })
  })

  it('is blank for a class without images, and an expert without weight has no lift', () => {
    const { weight, activation, lift } = affinityOf(layer, Int32Array.of(0, 0, 0), 2)
    expect([weight[1], activation[1], lift[1]]).toEqual([
      [null, null, null],
      [null, null, null],
      [null, null, null],
    ])
    expect(lift[0]).toEqual([1, 1, null])
  })

  it('leaves images of no class out of the rows, not out of the mean', () => {
    const { weight, lift } = affinityOf(layer, Int32Array.of(0, -1, -1), 1)
    expect(weight).toEqual([[1, 0, 0]])
    expect(lift[0]![0]).toBeCloseTo(2, 12)
  })
})

describe('I(class; expert)', () => {
  it('is all of H(expert) where the class decides the expert', () => {
    const rows = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? [1, 0] : [0, 1]))
    const labels = Int32Array.from({ length: 40 }, (_, n) => n % 2)
    const found = informationOf(routed(rows), labels, 2, test)
    expect(found.bits).toBeCloseTo(1, 12)
    expect(found.share).toBeCloseTo(1, 12)
    expect(found.p).toBeCloseTo(1 / 201, 12)
    expect(found.chance95).toBeLessThan(0.5)
  })

  it('agrees with a value worked out by hand', () => {
    // p = [[3, 1], [1, 3]] / 8: 2 − H(3/4, 1/4) … I = 1 − H(1/4) = 0.18872 bits.
    const rows = [
      ...Array.from({ length: 4 }, () => [0.75, 0.25]),
      ...Array.from({ length: 4 }, () => [0.25, 0.75]),
    ]
    const labels = Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1)
    expect(informationOf(routed(rows), labels, 2, test).bits).toBeCloseTo(1 - entropyBits([1, 3]), 12)
  })

  it('is what permuted labels give where routing ignores the class', () => {
    const source = draws(3, 'images')
    const rows = Array.from({ length: 500 }, () => (source.uniform() < 0.5 ? [1, 0] : [0, 1]))
    const labels = Int32Array.from({ length: 500 }, () => source.below(10))
    const { bits, chance, p } = informationOf(routed(rows), labels, 10, test)
    expect(p).toBeGreaterThan(0.05)
    // Miller's bias: (C−1)(E−1) / 2N nats.
    expect(chance).toBeCloseTo(9 / (2 * 500 * Math.LN2), 2)
    expect(Math.abs(bits - chance)).toBeLessThan(0.02)
  })

  it('has no share where one expert has all weight', () => {
    const found = informationOf(
      routed([
        [0, 1],
        [0, 1],
        [0, 1],
      ]),
      Int32Array.of(0, 1, 0),
      2,
      test,
    )
    expect([found.bits, found.share, found.chance, found.p]).toEqual([0, null, 0, 1])
  })

  it('counts permutations that reach the same, whatever the order of the sum', () => {
    // All images are alike, so every permutation gives the same joint weights.
    const rows = Array.from({ length: 30 }, () => [0.1, 0.2, 0.7])
    const labels = Int32Array.from({ length: 30 }, (_, n) => n % 3)
    expect(informationOf(routed(rows), labels, 3, test).p).toBe(1)
  })

  it('leaves images without a superclass out', () => {
    const rows = [
      [1, 0],
      [0, 1],
      [0.5, 0.5],
    ]
    expect(informationOf(routed(rows), Int32Array.of(0, 1, -1), 2, test).bits).toBeCloseTo(1, 12)
  })

  it('is at most what the image tells, for any routing', () => {
    const source = draws(9, 'any routing')
    for (let trial = 0; trial < 20; trial++) {
      const rows = Array.from({ length: 60 }, () => {
        const [a, b, c] = [source.uniform(), source.uniform(), source.uniform()]
        return [a / (a + b + c), b / (a + b + c), c / (a + b + c)]
      })
      const labels = Int32Array.from({ length: 60 }, () => source.below(4))
      const layer = routed(rows)
      const { bits: ofClass } = informationOf(layer, labels, 4, { permutations: 1, seed: 1 })
      const { bits, ofMean, most } = dependenceOf(layer)
      expect(ofClass).toBeLessThanOrEqual(bits + 1e-9)
      expect(bits).toBeLessThanOrEqual(ofMean)
      expect(ofMean).toBeLessThanOrEqual(most + 1e-9)
    }
  })
})

describe('dependence on the image', () => {
  it('is nothing where every image gets the same equal weights, in perfect balance', () => {
    const found = dependenceOf(
      routed([
        [0.5, 0.5],
        [0.5, 0.5],
      ]),
    )
    expect(found).toEqual({ perInput: 1, ofMean: 1, bits: 0, most: 1 })
  })

  it('is everything where each image is one expert’s alone', () => {
    expect(
      dependenceOf(
        routed([
          [1, 0],
          [0, 1],
        ]),
      ),
    ).toEqual({ perInput: 0, ofMean: 1, bits: 1, most: 1 })
  })
})

describe('other measures', () => {
  it('co-activation is the share of images that chose both', () => {
    const layer = routed([
      [0.5, 0.5, 0],
      [0.5, 0, 0.5],
      [1, 0, 0],
      [0.5, 0.5, 0],
    ])
    expect(coactivationOf(layer)).toEqual([
      [1, 0.5, 0.25],
      [0.5, 0.5, 0],
      [0.25, 0, 0.25],
    ])
  })

  it('accuracy is of all images and of each class, blank where a class has none', () => {
    expect(accuracyOf(Int32Array.of(0, 1, 1, 2), Int32Array.of(0, 0, 1, 1), 3)).toEqual({
      top1: 0.5,
      perClass: [0.5, 0.5, null],
    })
  })

  it('a gallery has the images with most weight, few of a class, none that did not choose the expert', () => {
    const layer = {
      ...routed([
        [1, 0],
        [0.9, 0.1],
        [0.8, 0.2],
        [0, 1],
        [0.8, 0.2],
        [0.7, 0.3],
      ]),
      logits: Float32Array.of(9, 0, 5, 0, 5, 0, 0, 9, 6, 0, 1, 0),
    }
    const labels = [[0], [0], [0], [1], [1], [1]]
    expect(galleryOf(layer, labels, 0, { count: 4, perClass: 2 })).toEqual([0, 1, 4, 5])
    expect(galleryOf(layer, labels, 0, { count: 9, perClass: 9 })).toEqual([0, 1, 4, 2, 5])
  })
})
