import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { epochOrder, makeBatch } from './batches.ts'
import { splitInMemory } from './dataset.ts'

const size = 4
const split = splitInMemory({
  bytes: Uint8Array.from({ length: 10 * 3 * size * size }, (_, i) => (i * 37) % 256),
  stride: 3 * size * size,
  header: 0,
  size,
  labels: Int32Array.from({ length: 10 }, (_, i) => i % 3),
  coarse: undefined,
})
const options = {
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.3, 0.4],
  augmentation: {
    flip: 0.5,
    crop: { padding: 2, mode: 'reflect' },
    jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
  },
  seed: 7,
  epoch: 3,
} as const

describe('epochOrder', () => {
  it('visits every image once, in an order that depends only on seed and epoch', () => {
    const order = epochOrder(500, 1, 2)
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 500 }, (_, i) => i))
    expect(epochOrder(500, 1, 2)).toEqual(order)
    expect(epochOrder(500, 1, 3)).not.toEqual(order)
    expect(epochOrder(500, 2, 2)).not.toEqual(order)
  })
})

describe('makeBatch', () => {
  it('returns images, int64 labels and indices in the requested order', async () => {
    const batch = await makeBatch(split, [4, 0, 8], { ...options, augmentation: undefined })
    expect(batch.images.shape).toEqual([3, 3, size, size])
    expect(batch.labels).toEqual({ dtype: 'int64', shape: [3], data: BigInt64Array.of(1n, 0n, 2n) })
    expect(batch.indices).toEqual(Uint32Array.of(4, 0, 8))
    const first = ((4 * 48 * 37) % 256) / 255
    expect(batch.images.data[0]).toBeCloseTo((first - 0.5) / 0.2, 5)
  })

  it('augments an image equally in any batch', async () => {
    const alone = await makeBatch(split, [5], options)
    const among = await makeBatch(split, [9, 5, 1], options)
    expect(among.images.data.slice(48, 96)).toEqual(alone.images.data)
  })

  it('changes an image differently in another epoch, and equally in the same', async () => {
    const once = await makeBatch(split, [5], options)
    expect((await makeBatch(split, [5], options)).images.data).toEqual(once.images.data)
    expect((await makeBatch(split, [5], { ...options, epoch: 4 })).images.data).not.toEqual(once.images.data)
    expect((await makeBatch(split, [5], { ...options, seed: 8 })).images.data).not.toEqual(once.images.data)
  })

  it('shrinks what it has augmented and normalised', async () => {
    const batch = await makeBatch(split, [5, 2], { ...options, size: 2 })
    expect(batch.images.shape).toEqual([2, 3, 2, 2])
    const own = await makeBatch(split, [5, 2], options)
    const mean = [0, 1, 4, 5].reduce((sum, at) => sum + Number(own.images.data[at]) / 4, 0)
    expect(batch.images.data[0]).toBeCloseTo(mean, 5)
    await expect(makeBatch(split, [5], { ...options, size: 5 })).rejects.toThrow('1 … 4')
  })

  it('refuses a reflected padding as wide as the image, as a configuration error', async () => {
    const crop = { padding: 4, mode: 'reflect' } as const
    const wide = makeBatch(split, [0], { ...options, augmentation: { flip: 0, crop } })
    await expect(wide).rejects.toThrow('expected a crop padding of 0 … 3 for images of 4×4')
    await expect(wide).rejects.toBeInstanceOf(MoietyError)
  })
})
