import { describe, expect, it } from 'vitest'
import type { GroupingFindings, LayerFindings } from '../../analysis/findings.ts'
import { areaSentence, type DetectorLayer, expertWords, sizeSentence } from './detection-words.ts'

const tested = (p: number, value = 3) => ({ value, chance: 1.2, chance95: 1.5, p, permutations: 2000 })
const affinity = (lift: number[][]) => ({ weight: lift, activation: lift, lift })
const variant = { measures: { AP: 0.4 }, perClass: null, gained: null, lost: null }

const sizes: GroupingFindings = {
  name: 'size',
  names: ['small', 'medium', 'large'],
  counts: [20, 20, 20],
  affinity: affinity([
    [2, 0.1],
    [1, 1],
    [0.5, 1.5],
  ]),
  top: [
    [20, 0],
    [10, 10],
    [5, 15],
  ],
  information: { ...tested(0.0005), share: 0.3 },
  withinLevel: null,
  association: { chiSquared: tested(0.0005), v: 0.5, corrected: 0.5 },
  above: [
    [0.0005, 1],
    [0.5, 0.5],
    [0.98, 0.03],
  ],
}
const levels: GroupingFindings = {
  ...sizes,
  name: 'level',
  names: ['P3', 'P4', 'P5', 'P6', 'P7'],
  affinity: affinity([[2, 0.1], ...Array.from({ length: 4 }, () => [0.9, 1.1])]),
  above: [[0.0005, 1], ...Array.from({ length: 4 }, () => [0.7, 0.3])],
}

/** Two experts, of which the first has twice its share of small objects and of P3. */
const layer: LayerFindings = {
  name: 'head',
  place: 'classification',
  style: null,
  count: 2,
  k: 1,
  constraint: 'kl',
  inputs: 5,
  share: [0.5, 0.5],
  activation: [0.5, 0.5],
  cvImportance: 0,
  cvActivation: 0,
  active: 2,
  groupings: [levels, sizes],
  attributes: [],
  attributeLeads: { choice: null, experts: [] },
  dependence: { perInput: 0, ofMean: 1, bits: 1, most: 1 },
  leads: { single: null, without: null, pair: null },
  coactivation: [
    [0.5, 0],
    [0, 0.5],
  ],
  variants: { single: [variant, variant], without: [variant, variant], byK: [variant], equal: variant },
  history: [],
  agreement: null,
}
const own: DetectorLayer = {
  objects: { count: 60, units: 50, left: 0 },
  medianArea: {
    weighted: [100, 400],
    top: [100, 400],
    all: 200,
    range: { largest: 1, smallest: 0, tested: tested(1 / 2001, 4) },
  },
}
const data = { sizes: [32, 96] as [number, number] }

describe('what the page says of a detector’s experts', () => {
  it('names the sizes and levels that each pass a test of their own', () => {
    expect(expertWords(layer, own, 0)).toMatch(
      /^More than chance: objects of size small \(×2\.0\); level P3 \(×2\.0\)/,
    )
  })

  it('names none for which sizes at large pass, but not that one: 0.03 times six cells', () => {
    expect(expertWords(layer, own, 1)).toMatch(/^No size and no level beyond chance/)
  })

  it('says how far medians lie apart only beyond chance, with what chance gives', () => {
    expect(areaSentence(own, data)).toMatch(
      /Expert 1’s median object has 4\.0 times the area of expert 0’s; were units shuffled, .* 1\.2 times .*\(p ≤ 0\.0005\)/,
    )
    const range = { largest: 1, smallest: 0, tested: tested(0.2, 4) }
    expect(areaSentence({ medianArea: { ...own.medianArea, range } }, data)).not.toMatch(/times/)
    expect(areaSentence({ medianArea: { ...own.medianArea, range: null } }, data)).not.toMatch(/times/)
  })

  it('does not take a test that finds nothing for a proof that the level decides', () => {
    const sentence = sizeSentence({ ...sizes, withinLevel: tested(0.3, 0.001) })
    expect(sentence).toMatch(/this may be the level’s doing: .* nothing beyond chance was found/)
    expect(sentence).not.toMatch(/it is the level’s doing/)
  })
})
