import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startHeartbeat } from './heartbeat.ts'

let folder: string
let stop: () => void = () => undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moiety-heartbeat-'))
})
afterEach(() => {
  stop()
  rmSync(folder, { recursive: true, force: true })
})

const before = '{"host":"größte 000","beat":"'
const after = '"}\n'

/** Begins to count in a file, and waits for the first beat. */
async function beating(): Promise<string> {
  const path = join(folder, 'lock')
  writeFileSync(path, `${before}000${after}`)
  stop = startHeartbeat({ path, before, after, digits: 3 }, 10)
  await expect.poll(() => countIn(path), { interval: 10 }).toBeGreaterThan(0)
  return path
}

function countIn(path: string): number {
  const text = readFileSync(path, 'utf8')
  expect(text.slice(0, before.length) + text.slice(before.length + 3)).toBe(before + after)
  return Number(text.slice(before.length, before.length + 3))
}

/** Occupies the main thread. */
const block = (milliseconds: number): unknown =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds)

describe('a heartbeat', () => {
  it('continues while the main thread computes', async () => {
    const path = await beating()
    const first = countIn(path)
    const end = performance.now() + 60_000
    while (countIn(path) < first + 2 && performance.now() < end) block(10)
    expect(countIn(path)).toBeGreaterThan(first + 1)
  })

  it('ends when it is stopped', async () => {
    const path = await beating()
    stop()
    await pause(100)
    const last = countIn(path)
    await pause(100)
    expect(countIn(path)).toBe(last)
  })

  it('leaves the file of another owner as it is, and does not create one that was removed', async () => {
    const path = await beating()
    const next = join(folder, 'next')
    for (const text of [
      `${before}000"}!`,
      `{"host":"another 000","beat":"000"}\n`,
      `${before}000${after}\n`,
      '',
    ]) {
      writeFileSync(next, text)
      renameSync(next, path)
      await pause(60)
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
    rmSync(path)
    await pause(60)
    expect(existsSync(path)).toBe(false)
  })

  it('does not count through a symbolic link', async () => {
    const path = await beating()
    const outside = join(folder, 'outside')
    writeFileSync(outside, `${before}000${after}`)
    rmSync(path)
    symlinkSync(outside, path)
    await pause(60)
    expect(countIn(outside)).toBe(0)
  })
})
