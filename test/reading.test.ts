import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parquetMetadata } from 'hyparquet'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findings } from '../src/analysis/findings.ts'
import { listCheckpoints } from '../src/run/checkpoint.ts'
import { moiety, start, tinyConfig, untilLines, writeRecipe, writeTinyCifar } from './tiny.ts'

/** Commands that read a run, while it trains and when a signal ends them. */

const folder = mkdtempSync(join(tmpdir(), 'moiety-reading-'))
afterAll(() => rmSync(folder, { recursive: true }))
const data = join(folder, 'data')
const run = join(folder, 'run')
const other = join(folder, 'other')
const image = join(folder, 'image.png')

/** A training that writes a checkpoint each step and removes the one before. */
function recipeOf(epochs: number): string {
  const config = tinyConfig(data)
  const training = { epochs, batch: 16, checkpointEvery: { steps: 1 }, keepCheckpoints: 1 }
  return writeRecipe(folder, { ...config, training })
}

beforeAll(async () => {
  writeTinyCifar(data)
  await sharp({ create: { width: 32, height: 32, channels: 3, background: '#a04020' } })
    .png()
    .toFile(image)
  const { code, stderr } = await moiety('train', recipeOf(1), '--out', other)
  expect(code, stderr).toBe(0)
})

describe('a run that trains, with a checkpoint each step and the former removed,', () => {
  it('can be explained, evaluated, exported, compared and asked to predict', async () => {
    const training = start(['train', recipeOf(100_000), '--out', run])
    try {
      await untilLines(run, 2, training.child)
      const out = (name: string): string => join(folder, name)
      const commands = [
        ['eval', run],
        ['export', run, '--out', out('model.onnx'), '--safetensors', out('hub')],
        ['predict', run, image, '--out', out('prediction.html')],
        ['compare', run, other, '--out', out('comparison.html')],
        ['eval', run, '--split', 'train'],
        ['explain', run, '--permutations', '20'],
        ['compare', run, other, '--out', out('comparison.html')],
        ['export', run],
      ]
      const newest = (): number => listCheckpoints(run).at(-1)?.step ?? 0
      for (const words of commands) {
        // Until a checkpoint has been removed while the command ran.
        let before: number
        do {
          before = newest()
          const { code, stderr } = await moiety(...words)
          expect(code, `${words[0]}: ${stderr}`).toBe(0)
        } while (newest() <= before)
      }
      expect(training.child.exitCode).toBeNull()
    } finally {
      training.child.kill('SIGTERM')
    }
    const { code, stderr } = await training.ended
    expect(code, stderr).toBe(143)
    expect(readdirSync(run).filter(name => name.startsWith('.'))).toEqual([])
  })
})

describe('two commands at once', () => {
  it('that explain one run leave the files of one of them', async () => {
    for (let round = 0; round < 2; round++) {
      const ends = await Promise.all(
        ['test', 'train'].map(split => moiety('explain', other, '--split', split, '--permutations', '5')),
      )
      expect(ends.map(({ code }) => code)).toEqual([0, 0])
      const { data: told } = findings.parse(JSON.parse(readFileSync(join(other, 'report.json'), 'utf8')))
      const { num_rows } = parquetMetadata(arrayBufferOf(readFileSync(join(other, 'routing.parquet'))))
      expect(Number(num_rows)).toBe(told.split === 'test' ? 32 : 96)
      expect(readFileSync(join(other, 'report.html'), 'utf8')).toContain(told.split)
      expect(readdirSync(other).filter(name => name.startsWith('.'))).toEqual([])
    }
  })
})

const arrayBufferOf = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer

describe('a signal', () => {
  // So many that no command is done before the signal is there.
  beforeAll(() => {
    writeTinyCifar(data, { train: 10_000, test: 10_000 })
    // So that compare has something to find out.
    rmSync(join(other, 'report.json'), { force: true })
  })

  it.each([
    ['eval', 'SIGINT', 130, 'evaluating', [other]],
    ['eval', 'SIGTERM', 143, 'evaluating', [other]],
    ['explain', 'SIGTERM', 143, 'routing images', [other]],
    ['predict', 'SIGINT', 130, 'looking at the training images', [other, image]],
    ['compare', 'SIGTERM', 143, 'routing images', [other, '--out', join(folder, 'never.html')]],
  ] as const)(
    'ends %s on %s with code %i, and nothing is written',
    async (name, signal, exitCode, told, words) => {
      const before = readdirSync(other).sort()
      const { child, ended, said } = start([name, ...words])
      let asked = false
      child.stderr!.on('data', () => {
        // A second signal would end it at once.
        if (!asked && said().includes(told)) asked = child.kill(signal)
      })
      const { code, signal: endedBy, stdout, stderr } = await ended
      // Shells report a process that a signal has ended as 128 + the signal's number.
      const reported = endedBy === null ? code : 128 + constants.signals[endedBy]
      expect([reported, stdout], stderr).toEqual([exitCode, ''])
      expect(readdirSync(other).sort()).toEqual(before)
      expect(readdirSync(folder)).not.toContain('never.html')
    },
  )
})
