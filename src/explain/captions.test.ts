import { describe, expect, it } from 'vitest'
import { type CaptionEvidence, captionOf } from './captions.ts'
import type { Affinity } from './findings.ts'

/** An affinity with these mean weights for expert 0, of two. */
function affinity(weights: readonly (number | null)[], activation = weights): Affinity {
  const both = (values: readonly (number | null)[]): (number | null)[][] =>
    values.map(w => [w, w === null ? null : 1 - w])
  return { weight: both(weights), activation: both(activation), lift: both(weights) }
}

const right = (...perClass: (number | null)[]) => ({ top1: 0.5, perClass })

/** Four classes in two groups: the first gives expert 0 twice its share. */
const evidence: CaptionEvidence = {
  expert: 0,
  share: [0.4, 0.6],
  activation: 0.5,
  spread: 0.3,
  classes: ['poppy', 'rose', 'pickup_truck', 'bus'],
  images: [100, 100, 100, 100],
  byClass: affinity([0.9, 0.7, 0, 0], [0.95, 0.75, 0, 0]),
  superclasses: {
    names: ['flowers', 'vehicles_1'],
    images: [200, 200],
    by: affinity([0.8, 0]),
    of: [0, 0, 1, 1],
  },
  trained: right(0.8, 0.8, 0.8, 0.8),
  alone: right(0.8, 0.8, 0.2, 0.3),
}

describe('a caption', () => {
  it('says which classes the expert gets, how much beyond chance, and where it is weak', () => {
    expect(captionOf(evidence).caption).toBe(
      'flowers: 2.0 × chance; 95 % of poppy; weak in vehicles 1 (25 % right alone, 80 % together)',
    )
  })

  it('names classes where the data has no superclasses', () => {
    const { superclasses, ...plain } = evidence
    expect(superclasses).toBeDefined()
    expect(captionOf(plain).caption).toMatch(
      /^poppy, rose: 2\.0 × chance; 95 % of poppy; weak in pickup truck/,
    )
  })

  it.each([
    ['never used', { share: [0, 1] }],
    ['hardly used: 0.4 % of the weight', { share: [0.004, 0.996] }],
    ['the only expert', { share: [1] }],
  ])('is silent about an expert that is %s', (silence, change) => {
    expect(captionOf({ ...evidence, ...change })).toEqual({ caption: null, silence })
  })

  it('is silent where nothing is beyond chance', () => {
    const flat = { ...evidence.superclasses!, by: affinity([0.45, 0.35]) }
    expect(captionOf({ ...evidence, superclasses: flat }).silence).toMatch(/^a generalist/)
  })

  it('is silent where a lift is large but rests on few images or a wide spread', () => {
    const few = { ...evidence.superclasses!, images: [9, 200] }
    expect(captionOf({ ...evidence, superclasses: few }).caption).toBeNull()
    expect(captionOf({ ...evidence, spread: 3 }).caption).toBeNull()
  })

  it('names no class that goes to the expert no more often than images at large do', () => {
    expect(captionOf({ ...evidence, activation: 1 }).caption).toMatch(/^flowers: 2\.0 × chance; weak in/)
    expect(captionOf({ ...evidence, activation: 0.85 }).caption).toMatch(/^flowers: 2\.0 × chance; weak in/)
    expect(captionOf({ ...evidence, activation: 0.75 }).caption).toMatch(/95 % of poppy/)
  })

  it('calls nothing weak that might be chance', () => {
    const little = { ...evidence, images: [12, 12, 12, 12], spread: 0.05 }
    const superclasses = { ...evidence.superclasses!, images: [24, 24] }
    const alone = right(0.8, 0.8, 0.6, 0.6)
    expect(captionOf({ ...little, superclasses, alone }).caption).not.toMatch(/weak/)
  })

  it('never says NaN, whatever has no images', () => {
    const blank: CaptionEvidence = {
      ...evidence,
      images: [0, 0, 0, 0],
      byClass: affinity([null, null, null, null]),
      superclasses: { ...evidence.superclasses!, images: [0, 0], by: affinity([null, null]) },
      trained: right(null, null, null, null),
      alone: right(null, null, null, null),
    }
    expect(JSON.stringify(captionOf(blank))).not.toMatch(/NaN|undefined/)
  })
})
