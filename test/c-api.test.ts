import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { openLibrary } from '../src/runtime/c-api/library.ts'

const isHere = !('reason' in openLibrary())
const script = fileURLToPath(new URL('c-api-fuzz.js', import.meta.url))

/** What a process prints that uses the C API in random orders; a crash rejects, with the signal. */
async function outcome(
  mode: string,
  seed: number,
  count: number,
): Promise<{ stdout: string; stderr: string }> {
  const words = ['--expose-gc', script, mode, String(seed), String(count)]
  return await promisify(execFile)(process.execPath, words)
}

describe.runIf(isHere)("ONNX Runtime's C API, in a process of its own", () => {
  const right = { stdout: 'done\n', stderr: '' }

  it.each([1, 2])('survives sessions, runs, wrong uses and collections in random order %d', async seed => {
    expect(await outcome('runtime', seed, 600)).toEqual(right)
  })

  it('gives results that outlive their sessions, of which there are many, with failures between them', async () => {
    expect(await outcome('sessions', 0, 500)).toEqual(right)
  })

  it('runs in two threads at once, beside the binding for Node', async () => {
    expect(await outcome('threads', 7, 300)).toEqual(right)
  })

  it.each([1, 2])(
    'survives engines that are stopped or left while they compute, and that share their state %d',
    async seed => {
      expect(await outcome('engines', seed, 30)).toEqual(right)
    },
  )
})
