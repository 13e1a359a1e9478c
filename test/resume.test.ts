import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../src/base/random.ts'
import { listCheckpoints, readCheckpoint } from '../src/run/checkpoint.ts'
import { readMetrics } from '../src/run/metrics-log.ts'
import {
  fingerprint,
  moiety,
  newFolder,
  signalledAt,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/**
 * A training that is killed or interrupted at any moment and resumed ends with the bits of one that was not. Moments are counted in
 * steps and operations on files, after which a process signals itself: none is left to the clock.
 */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'))
// Counters, noise, a constraint that is lifted on the way, and steps between checkpoints that have to be done again.
const config = tinyConfig(data, [
  { style: 'conv', experts: 3, constraint: { name: 'relative', threshold: 0.1 } },
  { style: 'conv', experts: 3, constraint: { name: 'kl', lift: 2 } },
])
const training = { epochs: 4, batch: 16, checkpointEvery: { steps: 4 }, keepCheckpoints: 3 }
const recipe = writeRecipe(folder, { ...config, training })
const steps = 24
let control: ReturnType<typeof fingerprint>

/** The loss of the first step: with the same first values, order, augmentation and noise it is the same. */
const firstLoss = (run: string): unknown => readMetrics(join(run, 'metrics.jsonl'))[0]?.loss

beforeAll(async () => {
  const run = join(folder, 'control')
  const { code, stderr } = await moiety('train', recipe, '--out', run)
  expect(code, stderr).toBe(0)
  control = fingerprint(run)
  expect(control.step).toBe(steps)
})

describe('the same configuration and seed', () => {
  it('give the same bits again', async () => {
    const run = join(folder, 'again')
    expect((await moiety('train', recipe, '--out', run)).code).toBe(0)
    expect(fingerprint(run)).toEqual(control)
  })

  it('give other bits with another seed', async () => {
    const run = join(folder, 'other')
    const words = ['train', recipe, '--seed', '6', '--set', 'training.epochs=1', '--out', run]
    expect((await moiety(...words)).code).toBe(0)
    expect(firstLoss(run)).toBeTypeOf('number')
    expect(firstLoss(run)).not.toBe(firstLoss(join(folder, 'control')))
  })
})

describe('a training killed by SIGKILL at random moments', () => {
  it('ends, after twenty kills, with the bits of an uninterrupted one', async () => {
    const run = join(folder, 'killed')
    const source = draws(11, 'kills')
    for (let kill = 0; kill < 20; kill++) {
      const words = ['train', recipe, '--out', run, ...(existsSync(run) ? ['--resume'] : [])]
      const saved = listCheckpoints(run).at(-1)?.step ?? 0
      // While it begins, or up to a little after the next checkpoint.
      const isEarly = kill % 5 === 4
      const step = isEarly ? 0 : saved + 1 + source.below(4)
      const { signal, stderr } = await signalledAt(step, 'SIGKILL', words, { operations: source.below(30) })
      expect(signal, stderr).toBe('SIGKILL')
    }
    const { code, stderr } = await moiety('train', recipe, '--out', run, '--resume')
    expect(code, stderr).toBe(0)
    expect(fingerprint(run)).toEqual(control)
  })

  // The last image is alone in its batch, so that of two engines one has nothing to do then.
  const uneven = writeTinyCifar(join(folder, 'uneven'), { train: 81 })
  const unevenRun = (replicas: number, name: string): string => join(folder, `uneven-${replicas}-${name}`)

  it.each([
    ['', 1],
    [', and two engines share each', 2],
  ])('does so too where the last batch of an epoch is not full%s', async (_, replicas) => {
    const [whole, run] = [unevenRun(replicas, 'whole'), unevenRun(replicas, 'killed')]
    const words = ['train', recipe, '--data', uneven, '--set', `training.replicas=${replicas}`]
    expect((await moiety(...words, '--out', whole)).code).toBe(0)
    // With two engines each half has statistics of its own; were the key ignored, nothing would differ.
    if (replicas > 1) expect(firstLoss(whole)).not.toBe(firstLoss(unevenRun(1, 'whole')))
    // Once there is a checkpoint beyond two last batches; each is the sixth of its epoch.
    expect((await signalledAt(17, 'SIGKILL', [...words, '--out', run])).signal).toBe('SIGKILL')
    expect(fingerprint(run).step).toBe(16)
    const { code, stderr } = await moiety(...words, '--out', run, '--resume')
    expect(code, stderr).toBe(0)
    expect(fingerprint(run)).toEqual(fingerprint(whole))
  })
})

describe.each([
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, exitCode) => {
  it(`leaves a clean checkpoint, exits with ${exitCode} and says how to go on`, async () => {
    const run = join(folder, signal)
    const { code, stdout, stderr } = await signalledAt(3, signal, ['train', recipe, '--out', run])
    expect(code, stderr).toBe(exitCode)
    expect(stdout).toContain(`moiety train --resume --out ${run}`)
    expect(stdout).not.toContain('0.0 % top-1')
    // Reading it compares its checksums.
    expect(readCheckpoint(listCheckpoints(run).at(-1)!.path).step).toBeLessThan(steps)
  })
})

describe('an interruption while the epoch is being tested', () => {
  it('leaves a checkpoint of the whole epoch, and going on tests it again and gives the same bits', async () => {
    const many = writeTinyCifar(join(folder, 'many'), { test: 320 })
    const words = ['train', recipe, '--data', many, '--set', 'training.epochs=2', '--out']
    const [whole, interrupted] = [join(folder, 'whole'), join(folder, 'tested')]
    expect((await moiety(...words, whole)).code).toBe(0)
    // The last step of the epoch: what comes next is the test.
    expect((await signalledAt(6, 'SIGTERM', [...words, interrupted])).code).toBe(143)
    const { path } = listCheckpoints(interrupted).at(-1)!
    expect(JSON.parse(readFileSync(join(path, 'state.json'), 'utf8'))).toMatchObject({ epoch: 0, batch: 6 })
    expect((await moiety('train', '--resume', '--out', interrupted)).code).toBe(0)
    expect(fingerprint(interrupted)).toEqual(fingerprint(whole))
  })
})

describe('resuming', () => {
  it('ends at once when there is nothing left to train, and writes nothing twice', async () => {
    const run = join(folder, 'control')
    const before = readdirSync(run).sort()
    const { code, stdout } = await moiety('train', '--resume', '--out', run, '--json')
    expect(code).toBe(0)
    expect(readdirSync(run).sort()).toEqual(before)
    const last: unknown = JSON.parse(stdout.trimEnd().split('\n').at(-1)!)
    expect(last).toMatchObject({ kind: 'summary', interrupted: false })
    expect(fingerprint(run)).toEqual(control)
  })

  it('gives the same bits after an interruption', async () => {
    const run = join(folder, 'SIGINT')
    const { code, stderr } = await moiety('train', '--resume', '--out', run)
    expect(code, stderr).toBe(0)
    expect(fingerprint(run)).toEqual(control)
  })

  it('continues for more epochs on request', async () => {
    const run = join(folder, 'SIGINT')
    const { code } = await moiety('train', '--resume', '--out', run, '--set', 'training.epochs=5')
    expect(code).toBe(0)
    expect(fingerprint(run).step).toBe(30)
  })
})
