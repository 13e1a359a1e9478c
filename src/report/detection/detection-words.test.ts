import { describe, expect, it } from 'vitest'
import type { DetectorFindings, DetectorLayerFindings } from '../../analysis/detection/findings.ts'
import { areaSentence, expertWords, precisionSentence, sizeSentence } from './detection-words.ts'

const tested = (p: number, value = 3) => ({ value, chance: 1.2, chance95: 1.5, p, permutations: 2000 })
const affinity = (lift: number[][]) => ({ weight: lift, activation: lift, lift })
const numbers = { AP: 0.4, AP50: 0.5, AP75: 0.4, APs: 0.3, APm: 0.4, APl: 0.5 }
const stats = { ...numbers, AR1: 0.3, AR10: 0.5, AR100: 0.5, ARs: 0.4, ARm: 0.5, ARl: 0.6 }

/** Two experts, of which the first has twice its share of small objects and of P3. */
const layer: DetectorLayerFindings = {
  name: 'head',
  place: 'classification',
  count: 2,
  k: 1,
  constraint: 'kl',
  inputs: 5,
  share: [0.5, 0.5],
  activation: [0.5, 0.5],
  cvImportance: 0,
  cvActivation: 0,
  active: 2,
  levels: {
    by: affinity([[2, 0.1], ...Array.from({ length: 4 }, () => [0.9, 1.1])]),
    information: tested(0.0005),
    share: 0.3,
    above: [[0.0005, 1], ...Array.from({ length: 4 }, () => [0.7, 0.3])],
  },
  dependence: { perImage: 0, ofMean: 1, bits: 1, most: 1 },
  objects: { count: 60, units: 50, left: 0 },
  sizes: {
    objects: [20, 20, 20],
    by: affinity([
      [2, 0.1],
      [1, 1],
      [0.5, 1.5],
    ]),
    top: [
      [20, 0],
      [10, 10],
      [5, 15],
    ],
    tests: {
      information: tested(0.0005),
      share: 0.3,
      chiSquared: tested(0.0005),
      v: 0.5,
      corrected: 0.5,
      withinLevel: null,
    },
    above: [
      [0.0005, 1],
      [0.5, 0.5],
      [0.98, 0.03],
    ],
  },
  classes: { by: affinity([]), tests: null },
  medianArea: {
    weighted: [100, 400],
    top: [100, 400],
    all: 200,
    range: { largest: 1, smallest: 0, tested: tested(1 / 2001, 4) },
  },
  variants: { single: [stats, { ...stats, APs: 0.31 }], without: [stats, stats], byK: [stats], equal: stats },
  overTraining: [],
}
const data: Pick<DetectorFindings['data'], 'sizes'> = { sizes: [32, 96] }

describe('what the page says of a detector’s experts', () => {
  it('names the sizes and levels that each pass a test of their own', () => {
    expect(expertWords(layer, 0)).toMatch(/^More than chance: small objects \(×2\.0\); level P3 \(×2\.0\)/)
  })

  it('names none for which sizes at large pass, but not that one: 0.03 times six cells', () => {
    expect(expertWords(layer, 1)).toMatch(/^No size and no level beyond chance/)
  })

  it('says how far medians lie apart only beyond chance, with what chance gives', () => {
    expect(areaSentence(layer, data)).toMatch(
      /Expert 1’s median object has 4\.0 times the area of expert 0’s; were units shuffled, .* 1\.2 times .*\(p ≤ 0\.0005\)/,
    )
    const range = { largest: 1, smallest: 0, tested: tested(0.2, 4) }
    expect(areaSentence({ ...layer, medianArea: { ...layer.medianArea, range } }, data)).not.toMatch(/times/)
    expect(areaSentence({ ...layer, medianArea: { ...layer.medianArea, range: null } }, data)).not.toMatch(
      /times/,
    )
  })

  it('does not take a test that finds nothing for a proof that the level decides', () => {
    const tests = { ...layer.sizes.tests!, withinLevel: tested(0.3, 0.001) }
    const sentence = sizeSentence({ ...layer, sizes: { ...layer.sizes, tests } })
    expect(sentence).toMatch(/this may be the level’s doing: .* nothing beyond chance was found/)
    expect(sentence).not.toMatch(/it is the level’s doing/)
  })

  it('names no best finder, since AP has no interval here', () => {
    expect(precisionSentence(0.4)).not.toMatch(/best|most/)
  })
})
