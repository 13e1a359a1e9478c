import { describe, expect, it } from 'vitest'
import { splitInMemory, spreadOverClasses, subset } from './dataset.ts'

const split = splitInMemory({
  bytes: Uint8Array.from({ length: 5 * 4 }, (_, i) => i),
  stride: 4,
  header: 1,
  size: 1,
  labels: Int32Array.of(0, 0, 0, 1, 2),
  coarse: Int32Array.of(5, 5, 5, 6, 7),
})

describe('splitInMemory', () => {
  it('gives the pixels behind the header of each record asked for', async () => {
    expect(await split.load([4, 0, 4])).toEqual(Uint8Array.of(17, 18, 19, 1, 2, 3, 17, 18, 19))
  })

  it('refuses an index out of range', async () => {
    await expect(split.load([5])).rejects.toThrow(RangeError)
  })
})

describe('subset', () => {
  it('renumbers the images with their labels', async () => {
    const part = subset(split, Uint32Array.of(1, 4))
    expect([part.length, part.labels, part.coarse]).toEqual([2, Int32Array.of(0, 2), Int32Array.of(5, 7)])
    expect(await part.load([1])).toEqual(Uint8Array.of(17, 18, 19))
    await expect(part.load([2])).rejects.toThrow(RangeError)
  })
})

describe('spreadOverClasses', () => {
  it('takes the first of every class before the second of any', () => {
    const labels = Int32Array.of(0, 0, 0, 0, 1, 1, 2)
    expect(spreadOverClasses(labels, 3)).toEqual(Uint32Array.of(0, 4, 6))
    expect(spreadOverClasses(labels, 5)).toEqual(Uint32Array.of(0, 1, 4, 5, 6))
    expect(spreadOverClasses(labels, 99)).toEqual(Uint32Array.from({ length: 7 }, (_, i) => i))
  })
})
