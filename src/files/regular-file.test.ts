import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { loadRecipe, readJsonFile } from '../config/recipe-files.ts'
import { decodeImage } from '../data/image.ts'
import { readCaptions } from '../export/read-captions.ts'
import { readCheckpoint } from '../run/checkpoint-reading.ts'
import { lockOwner } from '../run/lock.ts'
import { openMetricsLog, readMetrics } from '../run/metrics-log.ts'
import { readConfig } from '../run/run-folder.ts'
import { queueAddress } from '../sweep/queue-address.ts'
import { readRecord } from '../sweep/sweep-folder.ts'
import { withPublishedWeights } from '../train/pretrained.ts'
import { attempt, isThere, nodeDisk, rethrowExhausted, systemFailure } from './disk.ts'
import { readJsonRecords } from './json-records.ts'
import { readRegular, readRegularFile, sizeLimits } from './regular-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'moiety-regular-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** All readers of files that a user names, or that are in a run or a sweep. */
const readers: readonly (readonly [name: string, read: (folder: string, file: string) => unknown])[] = [
  ['mine.json', (_, file) => loadRecipe(file)],
  ['sweep.json', (_, file) => readJsonFile(file, 'sweep')],
  ['sweep.json', inside => readRecord(inside)],
  ['config.json', inside => readConfig(inside)],
  ['metrics.jsonl', (_, file) => readMetrics(file)],
  ['metrics.jsonl', inside => openMetricsLog(inside)],
  ['run.lock.here.1', inside => lockOwner(inside)],
  ['state.json', inside => readCheckpoint(inside)],
  ['report.json', inside => readCaptions(inside, '', () => undefined)],
  ['instances.json', (_, file) => readJsonRecords(file, { lists: [], record: () => undefined })],
  ['queue.txt', (_, file) => queueAddress({ url: undefined, file, environment: undefined })],
  ['image.png', (_, file) => decodeImage(file, 8)],
  [
    'weights.safetensors',
    (_, file) => withPublishedWeights(new Map(), { weights: file, weightsPart: 'whole' }),
  ],
]

const canMakePipes = spawnSync('mkfifo', ['--version']).status === 0

describe.runIf(canMakePipes)('a named pipe without a writer', () => {
  it.each(readers)('is refused at once as %s (%#)', async (name, read) => {
    const file = join(folder, name)
    expect(spawnSync('mkfifo', [file]).status).toBe(0)
    const outcome = await Promise.resolve()
      .then(() => read(folder, file))
      .catch((cause: unknown) => cause)
    expect(outcome).toBeInstanceOf(Error)
    expect(String(outcome)).toMatch(/named pipe/)
  })

  it('is refused when it is to be written, too', () => {
    const file = join(folder, 'pipe')
    spawnSync('mkfifo', [file])
    for (const mode of ['a', 'r+', 'w'] as const)
      expect(() => attempt(nodeDisk, 'open', file, () => nodeDisk.open(file, mode))).toThrow(/named pipe/)
  })
})

it.skipIf(process.platform === 'win32')('a device is refused, and a folder', async () => {
  expect(() => readRegular('/dev/zero')).toThrow('found a device')
  await expect(readRegularFile('/dev/zero')).rejects.toThrow('found a device')
  expect(() => readRegular(folder)).toThrow('it is a folder')
})

it('a file above the limit of its kind is refused by its size, before it is read', async () => {
  const limits = {
    'mine.json': sizeLimits.recipe,
    'config.json': sizeLimits.config,
    'report.json': sizeLimits.report,
    'sweep.json': sizeLimits.sweepRecord,
    'metrics.jsonl': sizeLimits.metrics,
    'run.lock.here.1': sizeLimits.lock,
    'weights.safetensors': sizeLimits.weights,
  }
  for (const [name, limit] of Object.entries(limits)) {
    const file = join(folder, name)
    writeFileSync(file, '')
    // Sparse: it takes no space.
    truncateSync(file, limit + 1)
    const [, read] = readers.find(([other]) => other === name)!
    const outcome = await Promise.resolve()
      .then(() => (name === 'sweep.json' ? readRecord(folder) : read(folder, file)))
      .catch((cause: unknown) => cause)
    expect(outcome, name).toBeInstanceOf(MoietyError)
    expect(String(outcome), name).toMatch(/expected at most .*B, found/)
    rmSync(file)
  }
})

it('a file is read whole', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, 'abc')
  expect(new TextDecoder().decode(readRegular(file, 3))).toBe('abc')
  expect(new TextDecoder().decode(await readRegularFile(file, 3))).toBe('abc')
  expect(() => readRegular(file, 2)).toThrow('expected at most 2 B, found 3 B')
})

describe('system errors', () => {
  it('of an exhausted resource are not attributed to the file', () => {
    for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EIO']) {
      const cause = Object.assign(new Error(code), { code })
      expect(systemFailure(cause)?.meaning).not.toContain('refused')
      expect(() => rethrowExhausted(cause, 'read', 'a.png')).toThrow(`(${code})`)
    }
    for (const code of ['ENOENT', 'EACCES', 'ERR_INVALID_ARG_TYPE'])
      rethrowExhausted(Object.assign(new Error(code), { code }), 'read', 'a.png')
    expect(systemFailure(Object.assign(new Error(), { code: 'ERR_INVALID_ARG_TYPE' }))).toBeUndefined()
  })

  it.runIf(process.getuid?.() !== undefined && process.getuid() !== 0)(
    'a folder without permission is not reported as missing',
    () => {
      const locked = join(folder, 'locked')
      mkdirSync(locked)
      chmodSync(locked, 0)
      expect(() => isThere(join(locked, 'config.json'))).toThrow('permission denied')
      chmodSync(locked, 0o700)
      expect(isThere(join(locked, 'config.json'))).toBe(false)
    },
  )

  it('a path that cannot be inspected is not reported as missing', () => {
    expect(isThere(join(folder, 'missing', 'config.json'))).toBe(false)
    expect(() => isThere(join(folder, 'x'.repeat(300)))).toThrow('the name is too long')
  })
})
