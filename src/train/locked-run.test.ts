import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import { pidNamespace } from '../files/process-identity.ts'
import { train } from './train.ts'

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-locked-'))
})
afterEach(() => rmSync(run, { recursive: true, force: true }))

const config = resolveConfig({ data: { name: 'sample' } }, 'test')
const options = { config, recipe: 'test' } as const
const lock = (owner: object): string => {
  const path = join(run, 'run.lock.other')
  writeFileSync(path, JSON.stringify({ host: hostname(), started: null, beat: '000000000001', ...owner }))
  return path
}

it('a resume that is refused for its configuration touches no lock, not even that of a dead process', async () => {
  writeFileSync(join(run, 'config.json'), JSON.stringify({ ...config, seed: config.seed + 1 }))
  const path = lock({ pid: 4_194_304, place: pidNamespace() })
  await expect(train({ ...options, run, resume: true })).rejects.toThrow('but these differ:\n  seed')
  expect(existsSync(path)).toBe(true)
})

it('a new run that is refused for what its folder holds touches no lock', async () => {
  writeFileSync(join(run, 'config.json'), JSON.stringify(config))
  const path = lock({ pid: 4_194_304, place: pidNamespace() })
  await expect(train({ ...options, run, resume: false })).rejects.toThrow('already holds a run')
  expect(existsSync(path)).toBe(true)
})

it('a resume reports that it waits for the lock of another container, and a signal ends the wait', async () => {
  writeFileSync(join(run, 'config.json'), JSON.stringify(config))
  const path = lock({ pid: 1, place: '0123456789ab' })
  const abort = new AbortController()
  const told: string[] = []
  const training = train({
    ...options,
    run,
    resume: true,
    signal: abort.signal,
    onEvent: event => {
      told.push(event.kind === 'progress' ? `${event.what}: ${event.done} of ${event.total}` : event.kind)
      abort.abort('SIGTERM')
    },
  })
  await expect(training).rejects.toBe('SIGTERM')
  expect(told).toHaveLength(1)
  expect(told[0]).toMatch(/^waiting for the lock of process 1 on .*heartbeat is checked for 30 s: 0 of 30$/)
  expect(existsSync(path)).toBe(true)
})
