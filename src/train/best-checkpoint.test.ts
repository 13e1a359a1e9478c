import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { type Config, resolveConfig } from '../config/config.ts'
import { type Checkpoint, latestCheckpoint, listCheckpoints } from '../run/checkpoint.ts'
import { readMetrics } from '../run/metrics-log.ts'
import { chosenCheckpoint } from '../tasks/choose-checkpoint.ts'
import { classificationMeasures } from '../tasks/classification/measures.ts'
import { evaluateRun } from '../tasks/evaluate-run.ts'
import type { Task } from '../tasks/task.ts'
import { BestSoFar } from './best-so-far.ts'
import { train } from './train.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const task = (config: object = {}): Task =>
  ({
    config: { training: config },
    kind: { name: 'classification', measures: classificationMeasures },
  }) as unknown as Task
const test = (loss: number, top1: number | null) => ({ loss, measures: { top1, top5: 1 } })
const at = (step: number) => ({ step, epoch: step / 10 })

describe('BestSoFar', () => {
  it('ranks by the first measure of the task, and keeps the first of equal tests', () => {
    const best = new BestSoFar({}, task())
    const results = [0.2, null, 0.5, 0.5, 0.4].map((top1, i) => best.consider(test(1, top1), at(10 * i)))
    expect(results).toEqual([true, false, true, false, false])
    expect(best.current).toEqual({ measure: 'top1', value: 0.5, step: 20, epoch: 2 })
  })

  it('takes less of a loss for better, unless told otherwise', () => {
    const ranked = (mode?: 'max' | 'min') => {
      const best = new BestSoFar({ best: { measure: 'loss', ...(mode && { mode }) } }, task())
      for (const [i, loss] of [0.9, Number.NaN, 0.3, 0.6, 1.2].entries()) best.consider(test(loss, 0), at(i))
      return best.current!.step
    }
    expect([ranked(), ranked('min'), ranked('max')]).toEqual([2, 2, 4])
  })

  it('continues from what a checkpoint remembers, but not where that was another measure', () => {
    const remembered = { best: { measure: 'top1', value: 0.7, step: 30, epoch: 3 } }
    const best = new BestSoFar({}, task())
    best.restore(remembered)
    expect(best.consider(test(0, 0.6), at(40))).toBe(false)
    const other = new BestSoFar({ best: { measure: 'top5' } }, task())
    other.restore(remembered)
    expect(other.current).toBeUndefined()
  })
})

describe('the best checkpoint of a training', () => {
  const base = tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 32, test: 16 }), [])
  // The largest loss is that of an early epoch, so that the best checkpoint is not among the newest.
  const config = resolveConfig(
    {
      ...base,
      training: { epochs: 4, batch: 16, keepCheckpoints: 1, best: { measure: 'loss', mode: 'max' } },
    },
    'test',
  )
  const trained = (run: string, resume: boolean, own: Config, signal?: AbortSignal) =>
    train({ config: own, run, recipe: 'test', resume, signal })

  it('is kept, can be chosen, and is the same after a kill and a resume', async () => {
    const run = join(folder, 'run')
    const { best } = await trained(run, false, config)
    const losses = readMetrics(join(run, 'metrics.jsonl')).flatMap(({ kind, split, loss, step }) =>
      kind === 'epoch' && split !== 'train' ? [{ loss: Number(loss), step: Number(step) }] : [],
    )
    const worst = losses.reduce((a, b) => (b.loss > a.loss ? b : a))
    expect(worst.step).toBeLessThan(8)
    expect(best).toEqual({ measure: 'loss', value: worst.loss, step: worst.step, epoch: worst.step / 2 - 1 })
    expect(listCheckpoints(run).map(({ step }) => step)).toEqual([worst.step, 8])

    const chosen = async (checkpoint: 'best' | 'last' | number) => await evaluateRun({ run, checkpoint })
    expect((await chosen('best')).loss).toBeCloseTo(worst.loss, 6)
    expect((await chosen(8)).loss).toBeCloseTo(losses.at(-1)!.loss, 6)
    expect((await chosen('best')).checkpoint).toMatch(/^step \d+ \(best so far: loss /)
    expect(() => chosenCheckpoint(run, { checkpoint: 3 })).toThrow(`only of ${worst.step}, 8`)
    expect(() => chosenCheckpoint(run, { weights: 'ema' })).toThrow('keeps no moving average')

    const resumed = join(folder, 'resumed')
    const abort = new AbortController()
    const ends = train({
      config,
      run: resumed,
      recipe: 'test',
      resume: false,
      signal: abort.signal,
      onEvent: event => {
        if (event.kind === 'epoch' && event.epoch === 2 && event.split === 'train') abort.abort()
      },
    })
    expect((await ends).interrupted).toBe(true)
    expect((await trained(resumed, true, config)).best).toEqual(best)
    const last = (of: string): Checkpoint => latestCheckpoint(of, { fallback: false }).checkpoint!
    expect(last(resumed).extra).toEqual(last(run).extra)
    expect(last(resumed).state).toEqual(last(run).state)
  })
})
