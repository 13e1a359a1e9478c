import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import type { HostTensor } from '../base/tensor.ts'
import { type Config, resolveConfig } from '../config/config.ts'
import { averageName, averagesOf, decayAt } from '../optim/index.ts'
import { latestCheckpoint } from '../run/checkpoint.ts'
import { chosenCheckpoint } from '../tasks/choose-checkpoint.ts'
import { evaluateRun } from '../tasks/evaluate-run.ts'
import { train } from './train.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

it("warms up as TensorFlow's moving average", () => {
  // min(d, (1 + n) / (10 + n)) of tf.train.ExponentialMovingAverage(d, num_updates=n).
  expect([0, 1, 90, 1e6].map(step => decayAt(step, 0.999))).toEqual([0.1, 2 / 11, 0.91, 0.999])
})

describe('a training that keeps an average of its weights', () => {
  const base = tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 40, test: 16 }), [])
  const training = { epochs: 3, batch: 16, keepCheckpoints: 1, ema: { decay: 0.7 }, classWeights: 'balanced' }
  /** With everything that draws: balanced sampling, mixing, transforms; and in parts. */
  const config = resolveConfig(
    {
      ...base,
      data: { ...(base.data as object), sampling: 'balanced' },
      augmentation: { mixup: {}, cutmix: {} },
      training: { ...training, accumulate: 2 },
    },
    'test',
  )
  const run = join(folder, 'run')
  const options = { run, config, recipe: 'test', resume: false } as const
  const isOfModel = (name: string) => !name.startsWith('optimizer.')

  it('has the average that the definition gives, tests and uses it, and has it again after a kill', async () => {
    let expected: Map<string, Float64Array> | undefined
    let taken = 0
    const own = resolveConfig({ ...base, training }, 'test') as Config
    const first: ReadonlyMap<string, HostTensor>[] = []
    const follower = join(folder, 'follower')
    await train({
      ...options,
      run: follower,
      config: own,
      callbacks: [
        {
          onStep: async (_, { state }) => {
            const now = await state()
            first.push(now)
            const decay = decayAt(taken++, 0.7)
            // What it was before the first step is not seen here; it follows from the first average.
            if (expected === undefined) {
              expected = new Map(
                averagesOf(now.keys()).map(name => [
                  name,
                  Float64Array.from(now.get(averageName(name))!.data, Number),
                ]),
              )
              return
            }
            for (const [name, average] of expected) {
              const weights = now.get(name)!.data
              for (let i = 0; i < average.length; i++)
                average[i] = decay * average[i]! + (1 - decay) * Number(weights[i])
            }
          },
        },
      ],
    })
    const { state } = latestCheckpoint(follower, { fallback: false }).checkpoint!
    expect(taken).toBe(9)
    const averaged = averagesOf(state.keys())
    // Parameters and BatchNorm's running statistics, as timm's ModelEmaV3.
    expect(averaged.sort()).toEqual([...state.keys()].filter(isOfModel).sort())
    // Averages begin as what they average, running means at 0: a ← 0 + (1 − 1/10)·(w − 0).
    const mean = first[0]!.get('bn1.running_mean')!.data
    for (const [i, value] of first[0]!.get(averageName('bn1.running_mean'))!.data.entries())
      expect(Number(value)).toBeCloseTo(0.9 * Number(mean[i]), 6)
    for (const [name, values] of expected!)
      for (const [i, value] of values.entries())
        expect(Number(state.get(averageName(name))!.data[i]), name).toBeCloseTo(value, 5)

    const ema = chosenCheckpoint(follower)
    const raw = chosenCheckpoint(follower, { weights: 'raw' })
    expect(ema.state.get('fc.weight')).toEqual(state.get(averageName('fc.weight')))
    expect(raw.state.get('fc.weight')).toEqual(state.get('fc.weight'))
    expect(raw.identity).not.toBe(ema.identity)
  })

  it('reports both, and resumes to the same bits', async () => {
    const summary = await train(options)
    const test = async (weights?: 'ema' | 'raw') => (await evaluateRun({ run, weights })).measures
    expect(Object.keys(summary.measures)).toEqual(['top1', 'top5', 'raw.top1', 'raw.top5'])
    const { top1, top5, 'raw.top1': raw1, 'raw.top5': raw5 } = summary.measures
    expect(await test()).toEqual({ top1, top5 })
    expect(await test('raw')).toEqual({ top1: raw1, top5: raw5 })

    const resumed = join(folder, 'resumed')
    const abort = new AbortController()
    const part = await train({
      ...options,
      run: resumed,
      signal: abort.signal,
      onEvent: event => {
        if (event.kind === 'step' && event.step === 4) abort.abort()
      },
    })
    expect(part.interrupted).toBe(true)
    await train({ ...options, run: resumed, resume: true })
    const last = (of: string) => latestCheckpoint(of, { fallback: false }).checkpoint!
    expect(last(resumed).step).toBe(9)
    expect(last(resumed).state).toEqual(last(run).state)
    expect(last(resumed).extra).toEqual(last(run).extra)
  })
})
