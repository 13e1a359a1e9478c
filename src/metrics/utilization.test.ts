import { describe, expect, it } from 'vitest'
import { addWeights, emptyClassWeights, preferredClasses } from './preferred-classes.ts'
import { addBatch, emptySums, utilization, variation } from './utilization.ts'

describe('utilization of a layer', () => {
  it('agrees with values worked out by hand', () => {
    const sums = emptySums('layer4', 4)
    addBatch(sums, { importance: [3, 1, 0, 0], activation: [4, 3, 1, 0], excluded: [1, 0, 0, 0], images: 4 })
    addBatch(sums, { importance: [1, 3, 0, 0], activation: [2, 4, 2, 0], excluded: [0, 0, 0, 0], images: 4 })
    const stats = utilization(sums)
    expect(stats.importance).toEqual([0.5, 0.5, 0, 0])
    expect(stats.activation).toEqual([0.75, 0.875, 0.375, 0])
    expect(stats.cvImportance).toBe(1)
    expect(stats.active).toBe(2)
    expect(stats.excluded).toEqual([0.5, 0, 0, 0])
  })

  it('counts an expert as active above one percent of the importance', () => {
    const sums = emptySums('a', 3)
    addBatch(sums, { importance: [98, 1.1, 0.9], activation: [1, 1, 1], images: 100 })
    expect(utilization(sums).active).toBe(2)
  })

  it('is zero, not NaN, where nothing was seen', () => {
    const stats = utilization(emptySums('a', 2))
    expect(stats).toEqual({
      name: 'a',
      importance: [0, 0],
      activation: [0, 0],
      cvImportance: 0,
      cvActivation: 0,
      active: 0,
      excluded: [0, 0],
      counters: {},
    })
  })

  it('has the population standard deviation in its coefficient of variation', () => {
    expect(variation([1, 3])).toBe(0.5)
    expect(variation([2, 2, 2])).toBe(0)
  })
})

describe('classes that an expert prefers', () => {
  it('are those with a mean weight above the average, most first', () => {
    const sums = emptyClassWeights(3, 2)
    // Dogs are 6 standard errors above the second expert's mean; of four images that would be chance.
    for (let i = 0; i < 400; i++)
      addWeights(sums, BigInt64Array.of(0n, 0n, 1n, 2n), Float32Array.of(1, 0, 1, 0, 0.5, 0.5, 0, 1))
    const [first, second] = preferredClasses(sums, ['cat', 'dog', 'fish'])
    expect(first!.classes.map(({ name }) => name)).toEqual(['cat'])
    expect(first!.classes[0]!.lift).toBeCloseTo(1 / (2.5 / 4), 12)
    expect(second!.classes.map(({ name }) => name)).toEqual(['fish', 'dog'])
  })

  it('are none for an expert that is never used, and none of a class without images', () => {
    const sums = emptyClassWeights(2, 2)
    addWeights(sums, BigInt64Array.of(0n), Float32Array.of(1, 0))
    const [, unused] = preferredClasses(sums, ['seen', 'unseen'])
    expect(unused!.classes).toEqual([])
  })
})
