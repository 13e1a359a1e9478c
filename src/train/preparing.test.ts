import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it, vi } from 'vitest'
import { newFolder, tinyConfig, writeTinyCifar } from '../../test/tiny.ts'
import { tinyDetector, writeTinyCoco } from '../../test/tiny-detection.ts'
import { type Config, resolveConfig } from '../config/config.ts'
import { Engine } from '../runtime/index.ts'
import { train } from './train.ts'

const folder = newFolder()
afterAll(() => rmSync(folder, { recursive: true }))

/** Whether steps were lost if the process ended where each program was made, in the order in which they were made. */
async function unsavedAtLoads(config: Config, run: string): Promise<readonly boolean[]> {
  let isUnsaved = false
  const seen: boolean[] = []
  const load = Engine.prototype.load
  const spy = vi.spyOn(Engine.prototype, 'load').mockImplementation(function (this: Engine, ...given) {
    seen.push(isUnsaved)
    return load.apply(this, given)
  })
  try {
    const onEvent: Parameters<typeof train>[0]['onEvent'] = event => {
      if (event.kind === 'start') isUnsaved = true
      if (event.kind === 'preparing') isUnsaved = event.isDone
    }
    await train({ config, run, recipe: 'test', resume: false, onEvent })
  } finally {
    spy.mockRestore()
  }
  return seen
}

it('no program of a classifier is made while a signal has to wait for a checkpoint', async () => {
  const base = tinyConfig(writeTinyCifar(join(folder, 'data'), { train: 40, test: 8 }), [])
  const resizing = [{ epochs: 1, size: 16 }]
  const training = { epochs: 2, batch: 16, resizing }
  const seen = await unsavedAtLoads(resolveConfig({ ...base, training }, 'test'), join(folder, 'classifier'))
  // For each of two sizes a program of full batches and one of the rest, and the one that evaluates.
  expect(seen).toEqual(Array(5).fill(false))
})

it('nor of a detector, whose batches and tests have a rest too', async () => {
  const data = await writeTinyCoco(join(folder, 'coco'), { train: 6, test: 5 })
  const config = resolveConfig(tinyDetector(data), 'test')
  const seen = await unsavedAtLoads(config, join(folder, 'detector'))
  expect(seen).toEqual(Array(4).fill(false))
})
