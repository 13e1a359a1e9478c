import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fingerprint, newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { resolveConfig } from '../config/config.ts'
import { sizeAt } from '../config/resizing.ts'
import type { TrainEvent } from '../run/events.ts'
import { train } from './train.ts'

describe('sizeAt', () => {
  it('goes from entry to entry, and has nothing to say after the last', () => {
    const resizing = [
      { epochs: 2, size: 16 },
      { epochs: 1, size: 24 },
    ]
    expect([0, 1, 2, 3, 4].map(epoch => sizeAt(resizing, epoch))).toEqual([16, 16, 24, undefined, undefined])
    expect(sizeAt(null, 0)).toBeUndefined()
  })
})

describe('a training whose images grow', () => {
  const folder = newFolder()
  afterAll(() => rmSync(folder, { recursive: true }))
  // The last batch of an epoch is not full, so each size has two programs.
  const base = tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 40, test: 8 }), [])
  const config = (resizing: object[] | null, replicas = 1) =>
    resolveConfig({ ...base, training: { epochs: 4, batch: 16, resizing, replicas } }, 'test')
  const growing = [
    { epochs: 1, size: 16 },
    { epochs: 2, size: 24 },
  ]

  async function trained(name: string, ...[resizing, replicas]: Parameters<typeof config>) {
    const events: TrainEvent[] = []
    const run = join(folder, name)
    const onEvent = (event: TrainEvent) => events.push(event)
    await train({ config: config(resizing, replicas), run, recipe: 'test', resume: false, onEvent })
    return { run, events }
  }

  it.each([1, 2])('ends with the same bits when it is interrupted, with %d engines', async replicas => {
    const { run: whole, events } = await trained(`whole ${replicas}`, growing, replicas)
    tellsTimeByWork(events)
    const run = join(folder, `interrupted ${replicas}`)
    // In the second size, so that going on has to come to the third.
    const stop = new AbortController()
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'step' && event.step === 5) stop.abort()
    }
    const options = { config: config(growing, replicas), run, recipe: 'test' }
    expect((await train({ ...options, resume: false, signal: stop.signal, onEvent })).interrupted).toBe(true)
    expect(fingerprint(run).step).toBe(5)
    await train({ ...options, resume: true })
    expect(fingerprint(run)).toEqual(fingerprint(whole))
  })

  it('sees other images than one whose images have their own size from the start', async () => {
    const { run: own } = await trained('own size', null)
    const loss = (run: string) => fingerprint(run).metrics[0]
    expect(loss(own)).not.toEqual(loss(join(folder, 'whole 1')))
  })

  function tellsTimeByWork(events: readonly TrainEvent[]): void {
    // Behind the first of three steps of 16² are two such, six of 24² and three of 32².
    const { secondsLeft, imagesPerSecond } = events.find(event => event.kind === 'step')!
    const inSteps = 2 + (6 * 24 ** 2 + 3 * 32 ** 2) / 16 ** 2
    expect(secondsLeft / (16 / imagesPerSecond)).toBeCloseTo(inSteps, 5)
  }
})
