import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../config/config.ts'
import { openClassification } from './classification-task.ts'

describe('the batches of an epoch', () => {
  it('hold every image once; the last one is smaller and is a step of its own (METHOD.md §4.1)', async () => {
    const config = resolveConfig(
      { data: { name: 'sample', limit: { train: 50, test: 4 } }, training: { batch: 16 } },
      'test',
    )
    const task = await openClassification(config)
    expect(task.stepsPerEpoch).toBe(4)
    for (const epoch of [0, 1]) {
      const batches = task.batches(epoch)
      expect(batches.map(({ length }) => length)).toEqual([16, 16, 16, 2])
      const seen = batches.flatMap(batch => [...batch]).sort((a, b) => a - b)
      expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i))
      expect((await task.load(batches[3]!, epoch)).form.images).toBe(2)
    }
    expect(String(task.batches(1)[0])).not.toBe(String(task.batches(0)[0]))
  })
})
