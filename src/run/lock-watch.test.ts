import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock, lockOwner, secondsBetweenBeats } from './lock.ts'
import { type LockWait, untilTakeover, watchLock } from './lock-watch.ts'

let run: string
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-lock-'))
})
afterEach(() => {
  rmSync(run, { recursive: true, force: true })
})

const elsewhere = (beat?: string): void =>
  writeFileSync(
    join(run, 'run.lock.elsewhere.12'),
    JSON.stringify({ pid: 12, host: 'elsewhere', started: null, beat }),
  )

describe('a lock', () => {
  it('is counted up in place while it is held, every five seconds, also while the main thread computes', () => {
    const lock = acquireLock(run)
    expect(lockOwner(run)?.beat).toBe('000000000000')
    const { length } = readFileSync(lock.path)
    const end = performance.now() + 4000 * secondsBetweenBeats
    while (lockOwner(run)?.beat === '000000000000' && performance.now() < end)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    expect(lockOwner(run)?.beat).toBe('000000000001')
    expect(readFileSync(lock.path)).toHaveLength(length)
    lock.release()
    expect(existsSync(lock.path)).toBe(false)
  })

  it("that is another owner's, of the same host and process number as in a new pod, is left as it is", () => {
    const lock = acquireLock(run)
    const theirs = JSON.stringify({ ...lockOwner(run), started: 'another-boot 77', beat: '000000000009' })
    writeFileSync(lock.path, theirs)
    expect(() => lock.ensureHeld()).toThrow('another took over its lock')
    lock.release()
    expect(readFileSync(lock.path, 'utf8')).toBe(theirs)
  })

  it('that another took away is missed by its process before it writes', () => {
    const lock = acquireLock(run)
    lock.ensureHeld()
    rmSync(lock.path)
    expect(() => lock.ensureHeld()).toThrow('another took over its lock')
    // Nor does it touch its successor's lock.
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

describe('waiting for the lock of a process that cannot be queried', () => {
  const options = (waits: LockWait[] = []) => {
    let time = 0
    return { silence: 30, pace: 0.001, now: () => time++, onWait: (wait: LockWait) => waits.push(wait) }
  }

  it('takes it over after 30 s without a heartbeat, and reports how long it waits', async () => {
    const waits: LockWait[] = []
    elsewhere('000000000004')
    await untilTakeover(run, options(waits))
    expect(existsSync(join(run, 'run.lock.elsewhere.12'))).toBe(false)
    expect(waits.length).toBeGreaterThan(5)
    expect(waits[0]).toMatchObject({ owner: 'process 12 on elsewhere', total: 30 })
    expect(waits[0]!.waited).toBeLessThan(5)
    expect(waits.at(-1)!.waited).toBe(30)
    acquireLock(run).release()
  })

  it('also that of an earlier version on the same host, which does not say its place', async () => {
    writeFileSync(
      join(run, 'run.lock.old.12'),
      JSON.stringify({ pid: process.ppid, host: hostname(), started: null, beat: '000000000004' }),
    )
    await untilTakeover(run, options())
    acquireLock(run).release()
  })

  it('refuses as soon as it is counted up, and at once where it never is', async () => {
    elsewhere('000000000004')
    const waiting = untilTakeover(run, {
      ...options(),
      onWait: ({ waited }) => waited > 10 && elsewhere('000000000005'),
    })
    await expect(waiting).rejects.toThrow('another training is running')
    expect(lockOwner(run)?.beat).toBe('000000000005')
    elsewhere()
    await expect(untilTakeover(run, options())).rejects.toThrow('process 12 on elsewhere')
    expect(lockOwner(run)?.pid).toBe(12)
  })

  it('ends by a signal, and does not wait for one that can be queried or for none', async () => {
    await untilTakeover(run)
    const lock = acquireLock(run)
    await untilTakeover(run)
    lock.release()
    elsewhere('000000000004')
    const abort = new AbortController()
    const waiting = untilTakeover(run, { signal: abort.signal })
    abort.abort('SIGTERM')
    await expect(waiting).rejects.toBe('SIGTERM')
    expect(lockOwner(run)?.pid).toBe(12)
  })
})
