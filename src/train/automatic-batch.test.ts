import { describe, expect, it } from 'vitest'
import { automaticBatch } from './automatic-batch.ts'

/** Memory that grows by so much an image, with what was measured. */
function line(base: number, perImage: number) {
  const asked: number[] = []
  return {
    asked,
    measure: async (batch: number) => {
      asked.push(batch)
      return base + perImage * batch
    },
  }
}

const chosen = async (memory: number, images: number, { measure } = line(100, 10), pixels = 0) =>
  await automaticBatch({ memory, images, pixels }, measure)

describe('the batch for an amount of memory', () => {
  it('is the largest power of two that fits, found from two small ones and measured', async () => {
    const memory = line(100, 10)
    // 100 + 10 · 64 = 740 fits, 1380 does not.
    expect(await chosen(1000, 1e6, memory)).toEqual({ batch: 64, bytes: 740, limit: 'memory' })
    expect(memory.asked).toEqual([4, 16, 64])
    expect((await chosen(740, 1e6)).batch).toBe(64)
    expect((await chosen(739, 1e6)).batch).toBe(32)
  })

  it('counts decoded images, which a training keeps besides', async () => {
    expect(await chosen(1000, 1e6, line(100, 10), 400)).toEqual({ batch: 32, bytes: 820, limit: 'memory' })
  })

  it('leaves ten steps in an epoch, and is 1024 at most', async () => {
    expect(await chosen(1e9, 400)).toMatchObject({ batch: 32, limit: 'images' })
    expect(await chosen(1e9, 1e6)).toMatchObject({ batch: 1024, limit: 'images' })
    expect(await chosen(1e9, 5)).toMatchObject({ batch: 2, limit: 'images' })
  })

  it('is halved where it takes more than the small ones foretold', async () => {
    const measure = async (batch: number) => (batch > 20 ? 5000 : 100 + batch)
    expect(await chosen(1000, 1e6, { asked: [], measure })).toMatchObject({ batch: 16, limit: 'memory' })
  })

  it('is two where four do not fit, and is refused where two do not', async () => {
    expect((await chosen(130, 1e6)).batch).toBe(2)
    await expect(chosen(110, 1e6)).rejects.toMatchObject({
      kind: 'usage',
      where: '--memory',
      message: expect.stringContaining('with 2 images in a batch it takes'),
    })
  })
})
