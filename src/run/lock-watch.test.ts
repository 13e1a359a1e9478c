import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { acquireLock, lockOwner } from './lock.ts'
import { watchLock } from './lock-watch.ts'

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-lock-'))
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(run, { recursive: true, force: true })
})

const elsewhere = (beat?: string): void =>
  writeFileSync(
    join(run, 'run.lock.elsewhere.12'),
    JSON.stringify({ pid: 12, host: 'elsewhere', started: null, beat }),
  )

describe('a lock', () => {
  it('is counted up in place while it is held, every five seconds', () => {
    vi.useFakeTimers()
    const lock = acquireLock(run)
    expect(lockOwner(run)?.beat).toBe('000000000000')
    const { length } = readFileSync(lock.path)
    vi.advanceTimersByTime(15_000)
    expect(lockOwner(run)?.beat).toBe('000000000003')
    expect(readFileSync(lock.path)).toHaveLength(length)
    lock.release()
    vi.advanceTimersByTime(15_000)
    expect(existsSync(lock.path)).toBe(false)
  })

  it('it is not counted up once it is that of another with the same names of host and process, as in a new pod', () => {
    vi.useFakeTimers()
    const lock = acquireLock(run)
    const theirs = JSON.stringify({ ...lockOwner(run), started: 'another-boot 77', beat: '000000000009' })
    writeFileSync(lock.path, theirs)
    vi.advanceTimersByTime(15_000)
    expect(readFileSync(lock.path, 'utf8')).toBe(theirs)
    expect(() => lock.ensureHeld()).toThrow('another took it for dead')
    lock.release()
    expect(readFileSync(lock.path, 'utf8')).toBe(theirs)
  })

  it('that another took away does not come again, and its process notices before it writes', () => {
    vi.useFakeTimers()
    const lock = acquireLock(run)
    lock.ensureHeld()
    rmSync(lock.path)
    vi.advanceTimersByTime(15_000)
    expect(existsSync(lock.path)).toBe(false)
    expect(() => lock.ensureHeld()).toThrow('another took it for dead')
    // Nor does it touch what its successor has put down.
    elsewhere('000000000000')
    lock.release()
    expect(lockOwner(run)?.host).toBe('elsewhere')
  })
})

describe('watching the lock of another machine', () => {
  it('says who has it as long as it is counted up, and removes it when it has stood still for long', () => {
    let now = 0
    const look = watchLock(run, { silence: 60, now: () => now })
    expect(look()).toBeUndefined()
    for (const beat of ['000000000001', '000000000002', '000000000007']) {
      elsewhere(beat)
      expect(look()?.host).toBe('elsewhere')
      now += 59
      expect(look()?.host).toBe('elsewhere')
    }
    now += 1
    expect(look()).toBeUndefined()
    expect(existsSync(join(run, 'run.lock.elsewhere.12'))).toBe(false)
    acquireLock(run).release()
  })

  it('leaves one that does not count, and one of this machine', () => {
    let now = 0
    elsewhere()
    const look = watchLock(run, { silence: 60, now: () => now })
    expect(look()?.host).toBe('elsewhere')
    now = 1000
    expect(look()?.host).toBe('elsewhere')
    rmSync(join(run, 'run.lock.elsewhere.12'))

    const lock = acquireLock(run)
    expect(look()?.host).toBe(hostname())
    now = 2000
    expect(look()?.host).toBe(hostname())
    lock.ensureHeld()
    lock.release()
  })
})
