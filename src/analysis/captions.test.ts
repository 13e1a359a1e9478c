import { describe, expect, it } from 'vitest'
import { type CaptionEvidence, captionOf } from './captions.ts'
import type { Affinity } from './findings.ts'

/** An affinity with these mean weights for expert 0, of two. */
function affinity(weights: readonly (number | null)[], activation = weights): Affinity {
  const both = (values: readonly (number | null)[]): (number | null)[][] =>
    values.map(w => [w, w === null ? null : 1 - w])
  return { weight: both(weights), activation: both(activation), lift: both(weights) }
}

/** Of images that the network has right, those that the expert alone has not, and the other way round, by class. */
const alone = (together: readonly number[], lost: readonly number[], gained = together.map(() => 0)) => ({
  together,
  lost,
  gained,
})

/** Four classes in two groups: the first gives expert 0 twice its share. */
const evidence: CaptionEvidence = {
  expert: 0,
  share: [0.4, 0.6],
  k: 1,
  overall: 0.4,
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
  alone: alone([80, 80, 80, 80], [4, 4, 60, 50], [4, 4, 0, 0]),
  independence: 1,
  counted: 'right',
}

describe('a caption', () => {
  it('says which classes the expert gets, how much beyond chance, and where it is weak', () => {
    expect(captionOf(evidence).caption).toBe(
      'flowers: 2.0 × chance; selected for 95 % of poppy (chance 50 %); weak in vehicles 1 (25 % right alone, 80 % together)',
    )
  })

  it('names the attribute that explains it best, also where no class does', () => {
    const explained = { attribute: 'colour', groups: [{ name: 'vivid red', lift: 1.84 }] }
    expect(captionOf({ ...evidence, explained }).caption).toMatch(
      /^flowers: 2\.0 × chance; explained best by colour: vivid red 1\.8 × chance; selected for/,
    )
    const flat = { ...evidence.superclasses!, by: affinity([0.45, 0.35]) }
    expect(captionOf({ ...evidence, superclasses: flat, explained })).toEqual({
      caption: 'explained best by colour: vivid red 1.8 × chance',
      noCaptionReason: null,
    })
  })

  it('names classes where the data has no superclasses', () => {
    const { superclasses, ...plain } = evidence
    expect(superclasses).toBeDefined()
    expect(captionOf(plain).caption).toMatch(
      /^poppy, rose: 2\.0 × chance; selected for 95 % of poppy \(chance 50 %\); weak in pickup truck/,
    )
  })

  it.each([
    ['never used', { share: [0, 1] }],
    ['hardly used: 0.4 % of the weight', { share: [0.004, 0.996] }],
    ['the only expert', { share: [1] }],
  ])('gives no caption to an expert that is %s', (noCaptionReason, change) => {
    expect(captionOf({ ...evidence, ...change })).toEqual({ caption: null, noCaptionReason })
  })

  it('gives none where nothing is beyond chance', () => {
    const flat = { ...evidence.superclasses!, by: affinity([0.45, 0.35]) }
    expect(captionOf({ ...evidence, superclasses: flat }).noCaptionReason).toMatch(/^no group of classes/)
  })

  it('gives none where a lift is large but rests on few images or a wide spread', () => {
    const few = { ...evidence.superclasses!, images: [9, 200] }
    expect(captionOf({ ...evidence, superclasses: few }).caption).toBeNull()
    expect(captionOf({ ...evidence, spread: 3 }).caption).toBeNull()
  })

  it('names no class that goes to the expert no more often than images at large do', () => {
    expect(captionOf({ ...evidence, activation: 1 }).caption).toMatch(/^flowers: 2\.0 × chance; weak in/)
    expect(captionOf({ ...evidence, activation: 0.9 }).caption).toMatch(/^flowers: 2\.0 × chance; weak in/)
    expect(captionOf({ ...evidence, activation: 0.75 }).caption).toMatch(/95 % of poppy \(chance 75 %\)/)
  })

  it('states the chance of being selected: K of E, or more where the expert is selected more often', () => {
    // "100 % of face-smiling" where every image selects two of two experts says nothing.
    const all = { ...evidence, byClass: affinity([0.9, 0.7, 0, 0], [1, 1, 0.5, 0.5]) }
    expect(captionOf({ ...all, k: 1 }).caption).toMatch(/selected for 100 % of poppy \(chance 50 %\)/)
    expect(captionOf({ ...all, k: 2 }).caption).not.toMatch(/selected for/)
    // Rarer than K of E in all, an expert is still selected by chance that often.
    expect(captionOf({ ...evidence, activation: 0.2 }).caption).toMatch(/\(chance 50 %\)/)
    const half = { ...evidence, activation: 0.2, byClass: affinity([0.9, 0.7, 0, 0], [0.6, 0.5, 0, 0]) }
    expect(captionOf(half).caption).not.toMatch(/selected for/)
  })

  it('calls nothing weak that might be chance', () => {
    const little = { ...evidence, images: [12, 12, 12, 12], spread: 0.05 }
    const superclasses = { ...evidence.superclasses!, images: [24, 24] }
    const few = alone([10, 10, 10, 10], [0, 0, 3, 2])
    expect(captionOf({ ...little, superclasses, alone: few }).caption).not.toMatch(/weak/)
  })

  it('calls an expert weak by the images on which it differs, not by two accuracies', () => {
    // 20 points apart each time: once on 40 images that all favour the network, once on 160 images of both kinds.
    const one = alone([80, 80, 80, 80], [0, 0, 20, 20])
    const both = alone([80, 80, 80, 80], [0, 0, 40, 40], [0, 0, 20, 20])
    expect(captionOf({ ...evidence, alone: one }).caption).toMatch(/weak in vehicles 1 \(60 % right alone/)
    // Of 120 on which they differ 80 favour the network: p = 0.0003, times 4 comparisons.
    expect(captionOf({ ...evidence, alone: both }).caption).toMatch(/weak in vehicles 1 \(60 % right alone/)
    const noise = alone([80, 80, 80, 80], [0, 0, 50, 50], [0, 0, 38, 38])
    // 24 of 176: p = 0.08; two independent shares of 0.8 and 0.68 would have been 2.7 standard errors apart.
    expect(captionOf({ ...evidence, alone: noise }).caption).not.toMatch(/weak/)
  })

  it('calls an expert weak in no group where it is as weak in all', () => {
    const everywhere = alone([80, 80, 80, 80], [50, 50, 52, 52])
    expect(captionOf({ ...evidence, alone: everywhere }).caption).not.toMatch(/weak/)
  })

  it('names none of many groups for what one of them has by chance', () => {
    // 2.9 standard errors would do for one group, not for two hundred of two experts.
    const many = 200
    const classes = Array.from({ length: many }, (_, c) => `class ${c}`)
    const weights = classes.map((_, c) => (c === 7 ? 0.56 : 0.4))
    const plain = { ...evidence, classes, images: classes.map(() => 60), byClass: affinity(weights) }
    const { superclasses: _, ...without } = plain
    const none = alone(
      classes.map(() => 0),
      classes.map(() => 0),
    )
    expect(captionOf({ ...without, alone: none, spread: 0.43 }).caption).toBeNull()
    expect(captionOf({ ...without, alone: none, spread: 0.2 }).caption).toMatch(/^class 7: 1\.4 × chance/)
  })

  it('never says NaN, whatever has no images', () => {
    const blank: CaptionEvidence = {
      ...evidence,
      images: [0, 0, 0, 0],
      byClass: affinity([null, null, null, null]),
      superclasses: { ...evidence.superclasses!, images: [0, 0], by: affinity([null, null]) },
      alone: alone([0, 0, 0, 0], [0, 0, 0, 0]),
    }
    expect(JSON.stringify(captionOf(blank))).not.toMatch(/NaN|undefined/)
  })
})
