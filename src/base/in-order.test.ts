import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { inOrder } from './in-order.ts'

async function all<T>(results: AsyncGenerator<T>): Promise<T[]> {
  const values: T[] = []
  for await (const value of results) values.push(value)
  return values
}

describe('inOrder', () => {
  it('gives results in order, regardless of duration', async () => {
    const later = (number: number) => sleep(10 * (5 - number), number)
    expect(await all(inOrder(5, 3, later))).toEqual([0, 1, 2, 3, 4])
  })

  it('runs exactly the given number concurrently', async () => {
    let [running, most] = [0, 0]
    const counted = async () => {
      most = Math.max(most, ++running)
      await sleep(1)
      running--
    }
    await all(inOrder(20, 4, counted))
    expect(most).toBe(4)
  })

  it('does nothing for a count of 0', async () => {
    expect(await all(inOrder(0, 4, async () => 1))).toEqual([])
  })

  it('throws a task’s error in order, and leaves none running', async () => {
    let running = 0
    const given: number[] = []
    const begin = async (number: number) => {
      running++
      await sleep(number === 2 ? 1 : 20)
      running--
      if (number === 2) throw new Error('the third')
      return number
    }
    const go = async () => {
      for await (const value of inOrder(9, 4, begin)) given.push(value)
    }
    await expect(go()).rejects.toThrow('the third')
    expect([given, running]).toEqual([[0, 1], 0])
  })

  it('waits for running tasks when the consumer stops early', async () => {
    let running = 0
    const begin = async () => {
      running++
      await sleep(5)
      running--
    }
    for await (const _ of inOrder(9, 3, begin)) break
    expect(running).toBe(0)
  })
})
