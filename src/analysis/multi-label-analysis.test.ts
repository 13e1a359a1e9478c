import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { emptySums, utilization } from '../metrics/utilization.ts'
import { itemsOf } from '../tasks/multi-label/multi-label-result.ts'
import type { RoutedLayer } from '../tasks/routing.ts'
import type { Analysed } from './analysed.ts'
import { captionOf } from './captions.ts'
import { groupingOf } from './findings.ts'
import { galleryOf } from './gallery.ts'
import { favourites, independentShare } from './image-experts.ts'
import { layerFindings } from './layer-findings.ts'

/** The classes of images with these labels by experts, where image i is given the weights of row i. */
async function byClass(
  weights: readonly (readonly number[])[],
  targets: readonly (readonly number[])[],
  permutations = 50,
) {
  const [experts, classes] = [weights[0]!.length, targets[0]!.length]
  const flat = Float32Array.from(weights.flat())
  const routing: RoutedLayer[] = [{ name: 'layer4', experts, k: 1, inputs: 1, weights: flat, logits: flat }]
  const variant = { variant: { kind: 'equal', place: 4 }, measures: {}, predictions: null } as const
  const analysed: Analysed = {
    evaluated: {
      ...{ images: weights.length, loss: 0, measures: {}, details: {}, tables: [], routing },
      layers: [utilization(emptySums('layer4', experts))],
      items: itemsOf(Uint8Array.from(targets.flat()), classes),
    },
    variants: [variant],
    ...{ permutations, perClass: {}, predicted: null },
    groupings: () => [],
    finish: () => Promise.reject(new Error('not asked for')),
  }
  const found = await layerFindings({
    ...{ analysed, index: 0, log: [], attributes: [], permutations, seed: 3, onProgress: () => undefined },
    mixture: { place: 4, experts, k: 1, constraint: 'importance', style: 'resblock' },
    data: {
      classes: Array.from({ length: classes }, (_, c) => `class ${c}`),
      superclasses: undefined,
      superclassOf: undefined,
    },
  })
  return groupingOf(found, 'class')!
}

/** I(class; expert) over pairs of image and label, from the definition. */
function slowInformation(
  weights: readonly (readonly number[])[],
  targets: readonly (readonly number[])[],
): number {
  const pairs = targets.flatMap((row, image) =>
    row.flatMap((target, label) => (target === 1 ? [{ image, label }] : [])),
  )
  let bits = 0
  for (const label of targets[0]!.keys())
    for (const expert of weights[0]!.keys()) {
      const joint = (isOwn: (pair: (typeof pairs)[number]) => boolean): number =>
        pairs.filter(isOwn).reduce((sum, { image }) => sum + weights[image]![expert]!, 0) / pairs.length
      const both = joint(pair => pair.label === label)
      const ofLabel = pairs.filter(pair => pair.label === label).length / pairs.length
      if (both > 0) bits += both * Math.log2(both / (ofLabel * joint(() => true)))
    }
  return bits
}

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length === 0) return [[]]
  return list.flatMap((one, i) => permutations(list.toSpliced(i, 1)).map(rest => [one, ...rest]))
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

describe('images with several labels', () => {
  it('count for each of their classes, those without a label for none', async () => {
    const grouping = await byClass(
      [
        [1, 0],
        [0, 1],
        [0.5, 0.5],
      ],
      [
        [1, 1],
        [0, 1],
        [0, 0],
      ],
    )
    expect(grouping.counts).toEqual([1, 2])
    expect(grouping.affinity.weight).toEqual([
      [1, 0],
      [0.5, 0.5],
    ])
    // Two of the three pairs are expert 0's.
    expect(grouping.affinity.lift[0]![0]).toBeCloseTo(1.5, 12)
    expect(grouping.affinity.lift[1]![1]).toBeCloseTo(1.5, 12)
    // p = 1/3 for each of (0, e0), (1, e0), (1, e1): 2 H(1/3) − log2 3.
    expect(grouping.information!.value).toBeCloseTo(0.251629, 6)
    expect(grouping.information!.share).toBeCloseTo(0.251629 / 0.918296, 5)
  })

  it('inform about experts as the definition says', async () => {
    for (let trial = 0; trial < 8; trial++) {
      const source = draws(trial, 'labels')
      const images = 2 + source.below(12)
      const targets = Array.from({ length: images }, (_, n) =>
        Array.from({ length: 3 }, (_, c) => Number(n === c || source.uniform() < 0.4)),
      )
      const weights = targets.map(() => {
        const own = Array.from({ length: 3 }, () => Math.fround(source.uniform()))
        const total = own.reduce((a, b) => a + b, 0)
        return own.map(w => Math.fround(w / total))
      })
      const { information } = await byClass(weights, targets, 1)
      expect(information!.value).toBeCloseTo(slowInformation(weights, targets), 6)
    }
  })

  it('keep together where chance is measured: images are permuted, not labels', async () => {
    const targets = [
      [1, 1, 1, 0],
      [1, 1, 0, 1],
      [0, 0, 1, 1],
      [1, 0, 0, 0],
      [0, 1, 1, 1],
    ]
    const weights = [
      [1, 0],
      [1, 0],
      [0, 1],
      [1, 0],
      [0, 1],
    ]
    const grouping = await byClass(weights, targets, 4000)
    const orders = permutations(weights)
    const exact = orders.map(own => slowInformation(own, targets))
    expect(grouping.information!.chance).toBeCloseTo(mean(exact), 2)
    const reach = exact.filter(bits => bits >= grouping.information!.value - 1e-9).length / orders.length
    expect(Math.abs(grouping.information!.p - reach)).toBeLessThan(0.03)
    // Were each pair on its own, chance would be another.
    const alone = targets.flatMap((row, image) =>
      row.flatMap((target, label) => (target === 1 ? [{ label, row: weights[image]! }] : [])),
    )
    const shuffled = Array.from({ length: 500 }, (_, i) => {
      const order = draws(i, 'pairs').permutation(alone.length)
      return slowInformation(
        Array.from(order, at => alone[at]!.row),
        alone.map(({ label }) => [0, 1, 2, 3].map(c => Number(c === label))),
      )
    })
    expect(Math.abs(mean(shuffled) - mean(exact))).toBeGreaterThan(0.03)
  })

  it('are as many independent witnesses as (Σ n)² ÷ Σ n² says', () => {
    const of = (...images: number[]) => independentShare(images.map(image => ({ image })))
    expect(of(0, 1, 2)).toBe(1)
    // 3 labels and 1: 16 ÷ 10 of 4.
    expect(of(0, 0, 0, 1)).toBeCloseTo(0.4, 12)
    expect(of()).toBe(1)
  })

  it('are in a gallery until each of their classes has its images', () => {
    const weights = Float32Array.of(0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
    const layer = { experts: 1, weights, logits: weights }
    const labels = [[0], [0, 1], [0], [0, 1], [], [], [1, 2]]
    expect(galleryOf(layer, labels, 0, { count: 9, perClass: 1 })).toEqual([0, 1, 4, 6])
    expect(galleryOf(layer, labels, 0, { count: 9, perClass: 2 })).toEqual([0, 1, 3, 4, 5, 6])
  })
})

describe('an expert of a multi-label network', () => {
  const both = (weights: readonly number[]): number[][] => weights.map(w => [w, 1 - w])
  const affinity = (weights: readonly number[], overall: number) => ({
    weight: both(weights),
    activation: both(weights),
    lift: weights.map(w => [w / overall, (1 - w) / (1 - overall)]),
  })
  const evidence = {
    ...{ expert: 0, share: [0.3, 0.7], k: 1, overall: 0.45, activation: 0.45, spread: 0.4 },
    ...{ classes: ['dog', 'cat'], images: [200, 200], byClass: affinity([0.8, 0.1], 0.45) },
    alone: { together: [100, 100], lost: [5, 40], gained: [5, 0] },
    independence: 1,
    counted: 'found' as const,
  }

  it('is compared with what it is given of all labels, not of all images', () => {
    expect(captionOf(evidence).caption).toMatch(/^dog: 1\.8 × chance; selected for 80 % of dog/)
    // 0.8 is 1.05 × 0.76, which is no speciality.
    expect(captionOf({ ...evidence, overall: 0.76 }).noCaptionReason).toMatch(/^no group/)
    const own = { expert: 0, experts: 2, overall: 0.45, spread: 0.4 }
    expect(favourites(evidence.byClass, [200, 200], own).map(({ row }) => row)).toEqual([0])
    expect(favourites(evidence.byClass, [9, 200], own), 'too few images').toEqual([])
  })

  it('is called weak only beyond what labels of the same images bear out', () => {
    expect(captionOf(evidence).caption).toMatch(/weak in cat \(30 % found alone, 50 % together\)/)
    expect(captionOf({ ...evidence, independence: 0.02 }).caption).not.toMatch(/weak/)
  })
})
