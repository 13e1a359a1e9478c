import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, expect, it } from 'vitest'
import {
  fingerprint,
  moiety,
  newFolder,
  signalledAt,
  start,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/** A run whose machine is gone: its lock names a host and a PID namespace that are not these, and no longer counts. */
const folder = newFolder()
const recipe = writeRecipe(folder, tinyConfig(writeTinyCifar(join(folder, 'data'))))
const control = join(folder, 'control')
const run = join(folder, 'run')
const lock = join(run, 'run.lock.node-3.7.0123456789ab')
const owner = { pid: 7, host: 'node-3', started: null, place: '0123456789ab', beat: '000000000004' }
const waiting = 'waiting for the lock of process 7 on node-3, whose heartbeat is checked for 30 s'

/** The command's own clock runs ten times as fast, so that its 30 s are three. */
const clock = join(folder, 'clock.mjs')
writeFileSync(
  clock,
  `const now = performance.now.bind(performance)
  performance.now = () => 10 * now()`,
)
const fast = { NODE_OPTIONS: `--import ${pathToFileURL(clock).href}` }
const resume = (environment = {}) =>
  start(['train', '--resume', '--out', run], undefined, undefined, environment)
const locks = () => readdirSync(run).filter(name => name.startsWith('run.lock.'))

beforeAll(async () => {
  expect((await moiety('train', recipe, '--out', control)).code).toBe(0)
  expect((await signalledAt(5, 'SIGKILL', ['train', recipe, '--out', run])).signal).toBe('SIGKILL')
  writeFileSync(lock, `${JSON.stringify(owner)}\n`)
})

it('train --resume says that it waits and for what, and Ctrl-C then ends it and leaves all as it was', async () => {
  const { child, ended, said } = resume()
  while (!said().includes('waiting') && child.exitCode === null)
    await new Promise(later => setTimeout(later, 20))
  child.kill('SIGINT')
  const { signal, stderr } = await ended
  expect(signal, stderr).toBe('SIGINT')
  expect(stderr).not.toContain('took over')
  expect(stderr).toContain(waiting)
  expect(existsSync(lock)).toBe(true)
  expect(readdirSync(run)).not.toContain('summary.json')
})

it('is refused as soon as the other process counts, and its lock stays', async () => {
  const { child, ended, said } = resume()
  while (!said().includes('waiting') && child.exitCode === null)
    await new Promise(later => setTimeout(later, 20))
  writeFileSync(lock, `${JSON.stringify({ ...owner, beat: '000000000005' })}\n`)
  const { code, stderr } = await ended
  expect(code, stderr).toBe(2)
  expect(stderr).toContain('another training is running')
  expect(stderr).toContain('process 7 on node-3')
  expect(existsSync(lock)).toBe(true)
})

it('takes the lock over after 30 s without a heartbeat, and ends with the bits of an uninterrupted run', async () => {
  const { code, stderr } = await resume(fast).ended
  expect(code, stderr).toBe(0)
  expect(stderr).toContain(waiting)
  expect(stderr).toContain('took over the lock of process 7 on node-3: no heartbeat for 30 s')
  expect(fingerprint(run)).toEqual(fingerprint(control))
  expect(locks()).toEqual([])
})
