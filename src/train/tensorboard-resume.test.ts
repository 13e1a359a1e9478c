import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fingerprint, newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { resolveConfig } from '../config/config.ts'
import type { TrainEvent } from '../run/events.ts'
import { train } from './train.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

const base = tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 48, test: 16 }), [
  { style: 'conv', constraint: { name: 'kl', weight: 0.1 } },
])
const config = resolveConfig(
  { ...base, training: { epochs: 2, batch: 16, checkpointEvery: { steps: 2 } } },
  'test',
)

/** Trains until an event at which the process would die: nothing is saved then. */
const dies = async (run: string, resume: boolean, at: (event: TrainEvent) => boolean) => {
  const onEvent = (event: TrainEvent) => {
    if (at(event)) throw new Error('killed')
  }
  await expect(train({ config, run, recipe: 'test', resume, onEvent })).rejects.toThrow('killed')
}

beforeAll(async () => {
  await train({ config, run: join(folder, 'whole'), recipe: 'test', resume: false })
})

it('TensorBoard’s files have every step and epoch once, however often a training dies and is resumed', async () => {
  const run = join(folder, 'killed')
  // After a step beyond the checkpoint, while an epoch is tested, and after its test was written down.
  await dies(run, false, event => event.kind === 'step' && event.step === 3)
  await dies(run, true, event => event.kind === 'progress' && event.what === 'evaluating')
  await dies(run, true, event => event.kind === 'epoch' && event.split === 'test')
  await dies(run, true, event => event.kind === 'step' && event.step === 5)
  await train({ config, run, recipe: 'test', resume: true })
  const { board } = fingerprint(run)
  expect(board).toEqual(fingerprint(join(folder, 'whole')).board)
  // The configuration, six steps, and of each epoch its training, routing and test.
  expect(board.map(line => line.split(' ')[0])).toEqual('0 1 2 3 3 3 3 4 5 6 6 6 6'.split(' '))
  const steps = board.filter(line => line.includes('step/loss'))
  expect(steps).toHaveLength(6)
  expect(steps[0]).toContain('step/weightNorm')
  expect(board.filter(line => line.includes('/logits/0'))).toHaveLength(2)
})
