import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { tinyDetector, writeTinyCoco } from '../../test/tiny-detection.ts'
import { resolveConfig } from '../config/config.ts'
import { latestCheckpoint } from '../run/checkpoint.ts'
import { train } from './train.ts'

it('a training with scale jitter and mosaic that is stopped in an epoch ends with the bits of one that was not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'moiety-boxes-'))
  const base = tinyDetector(await writeTinyCoco(join(folder, 'data'), { train: 8, test: 2 }), null)
  const config = resolveConfig(
    {
      ...base,
      augmentation: { flip: 0.5, scaleJitter: { least: 0.5, most: 2 }, mosaic: { probability: 0.5 } },
      training: { epochs: 2, batch: 4, evaluateEvery: 2 },
      engine: { threads: 1 },
    },
    'test',
  )
  const last = (run: string) => latestCheckpoint(run, { fallback: false }).checkpoint!
  const whole = join(folder, 'whole')
  await train({ config, run: whole, recipe: 'test', resume: false })
  const stopped = join(folder, 'stopped')
  const abort = new AbortController()
  await train({
    ...{ config, run: stopped, recipe: 'test', resume: false, signal: abort.signal },
    onEvent: event => {
      if (event.kind === 'step' && event.step === 3) abort.abort()
    },
  })
  expect(last(stopped).step).toBe(3)
  await train({ config, run: stopped, recipe: 'test', resume: true })
  expect(last(stopped).step).toBe(4)
  expect(last(stopped).state).toEqual(last(whole).state)
})
