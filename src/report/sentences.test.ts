import { describe, expect, it } from 'vitest'
import { type Synthetic, syntheticFindings } from '../../test/synthetic-findings.ts'
import type { LayerFindings } from '../analysis/findings.ts'
import {
  accuracySentence,
  agreementSentence,
  explainedSentence,
  matrixSentence,
  pairSentence,
  trainingSentence,
} from './sentences.ts'

const made: Synthetic = {
  classes: ['a', 'b', 'c', 'd'],
  superclasses: ['x', 'y'],
  superclassOf: [0, 0, 1, 1],
  imagesPerClass: 20,
  layers: [{ name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }],
  gallery: 2,
}
const layer = syntheticFindings(made).findings.layers[0]!
const lead = { first: 0, second: 3, difference: 0.002, low: -0.02, high: 0.03, p: 0.9 }
const with_ = (leads: Partial<LayerFindings['leads']>): LayerFindings => ({
  ...layer,
  leads: { single: null, without: null, pair: null, ...leads },
})
const accuracies = { trained: 0.5, chance: 0.25 }

describe('what the page says of experts', () => {
  it('names none as the most missed, nor the best, where the next may be as much', () => {
    const sentence = accuracySentence(with_({ single: lead, without: lead }), accuracies)
    expect(sentence).not.toMatch(/misses|gets most right,/)
    expect(sentence).toMatch(/Single experts get .* to .*; which of them gets most is within chance/)
  })

  it('names the one that is beyond chance, with the next, the interval and p', () => {
    const clear = { ...lead, difference: 0.05, low: 0.02, high: 0.08, p: 0.0004 }
    const sentence = accuracySentence(with_({ single: clear, without: { ...clear, second: 4 } }), accuracies)
    expect(sentence).toMatch(/expert 0 gets most right, .* before expert 3 with/)
    expect(sentence).toMatch(/misses expert 0 most: .* next as trained/)
    expect(sentence.match(/difference 5\.0 points, 2\.0 to 8\.0, p = 0\.0004/g)).toHaveLength(2)
  })

  it('does not say that it misses the network as trained', () => {
    const odd = { ...lead, first: 4, second: 0, p: 0.001 }
    expect(accuracySentence(with_({ without: odd }), accuracies)).not.toMatch(/misses/)
  })

  it('names two experts as chosen together most often only beyond chance', () => {
    const pair = { ...lead, first: [0, 1] as [number, number], second: [2, 3] as [number, number] }
    expect(pairSentence(with_({ pair }), 1 / 6)).not.toMatch(/most/)
    expect(pairSentence(with_({ pair: { ...pair, p: 0.01 } }), 1 / 6)).toMatch(
      /Experts 0 and 1 are chosen together most often, .* before 2 and 3 with .* \(difference .*, p = 0\.010\)/,
    )
  })

  it('names no strongest cell, and no change between epochs', () => {
    expect(matrixSentence(true)).not.toMatch(/strongest/)
    expect(trainingSentence(layer)).not.toMatch(/goes from/)
  })

  it('says of superclasses that explain no more than chance that they do not', () => {
    const changed = {
      superclass: { p: 0.4, value: 0.001, share: 0.031 },
      class: { p: 0.001, value: 1, chance95: 0.1 },
    }
    const groupings = layer.groupings.map(one => ({
      ...one,
      information: { ...one.information!, ...changed[one.name as keyof typeof changed] },
    }))
    const sentence = explainedSentence({ ...layer, groupings })
    expect(sentence).toMatch(/its superclass alone no more than shuffled labels would/)
    expect(sentence).not.toMatch(/3\.1/)
  })

  it('says of another run that it divides alike only beyond chance', () => {
    const other = { against: 'b', pairs: [], mean: 0.3, chance: 0.2, chance95: 0.4, permutations: 200 }
    expect(agreementSentence({ ...other, p: 0.3 })).toMatch(/no more than by chance/)
    expect(agreementSentence({ ...other, p: 1 / 201 })).toMatch(/more alike than by chance/)
    expect(agreementSentence({ ...other, mean: null, p: null })).toMatch(/nothing to correlate/)
  })
})
