import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resolveConfig } from '../config/config.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { train } from './train.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-weights-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, name)

describe.skipIf(process.platform === 'win32')('weights that are not a regular file', () => {
  const server = createServer()
  beforeAll(async () => {
    spawnSync('mkfifo', [at('pipe')])
    mkdirSync(at('empty-run'))
    writeFileSync(at('large'), '')
    // Sparse: it takes no space.
    truncateSync(at('large'), sizeLimits.weights + 1)
    await new Promise<void>(resolve => server.listen(at('socket'), resolve))
  })
  afterAll(() => server.close())

  it.each([
    ['a pipe', 'pipe', 'found a named pipe'],
    ['a socket', 'socket', 'not a regular file'],
    ['a device', '/dev/zero', 'found a device'],
    ['a folder without a run', 'empty-run', 'expected a run with a checkpoint'],
    ['a file that is far too large', 'large', 'expected at most 16.0 GB'],
    ['nothing', 'nowhere', 'no such file'],
  ])('%s are refused before data are opened', async (_, name, message) => {
    const weights = name.startsWith('/') ? name : at(name)
    // Data that are not there either: whatever is opened first is what the error is about.
    const data = { name: 'folder', directory: at('no-data') }
    const config = resolveConfig({ data, model: { weights } }, 'test')
    const training = train({ config, run: at('run'), recipe: 'test', resume: false })
    await expect(training).rejects.toThrow(message)
    expect(existsSync(at('run'))).toBe(false)
  })
})
