import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parquetReadObjects } from 'hyparquet'
import { beforeAll, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import type { DeepReadonly } from '../src/base/schemas.ts'
import { jsonSchema } from '../src/cli/json-schemas.ts'
import type { TrainEvent, TrainSummary } from '../src/run/events.ts'
import type { summarySchema, trainEventSchema } from '../src/run/file-schemas.ts'
import { encodeLine } from '../src/run/metrics-line.ts'
import { wrongIn } from './against-schema.ts'
import { type Ended, moiety, newFolder, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'
import { tinyDetector, writeTinyCoco } from './tiny-detection.ts'
import { tinyMultiLabel, writeTinyMultiLabel } from './tiny-multi-label.ts'

/** What other programs read of a run is what the schemas promise. */
const folder = newFolder()
const run = join(folder, 'run')
let trained: Ended
beforeAll(async () => {
  const layers = [{ constraint: { name: 'importance' } }, { style: 'conv', constraint: { name: 'relative' } }]
  const config = tinyConfig(writeTinyCifar(join(folder, 'data')), layers)
  const recipe = writeRecipe(folder, { ...config, training: { epochs: 2, batch: 16, collapse: 0.9 } })
  trained = await moiety('train', recipe, '--out', run, '--json')
}, 60_000)

const linesOf = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)

describe('train --json', () => {
  it('prints events, one a line as their schema says, the last of which is the summary', () => {
    expect(trained.code, trained.stderr).toBe(0)
    const events = linesOf(trained.stdout) as { kind: string }[]
    expect(events.flatMap(event => wrongIn('events', event))).toEqual([])
    const kinds = events.map(({ kind }) => kind)
    expect(kinds.filter(kind => kind === 'step')).toHaveLength(12)
    expect(kinds).toEqual(expect.arrayContaining(['start', 'epoch', 'checkpoint', 'progress', 'alarm']))
    const { kind, ...summary } = events.at(-1)!
    expect(kind).toBe('summary')
    // The file has no path of this machine.
    const file = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as object
    expect(summary).toEqual({ ...file, run })
  })

  it.each([
    ['multi-label', async (data: string) => tinyMultiLabel(await writeTinyMultiLabel(data))],
    ['detection', async (data: string) => tinyDetector(await writeTinyCoco(data))],
  ] as const)(
    'prints events of %s likewise',
    async (task, configOf) => {
      const place = join(folder, task)
      mkdirSync(place)
      const config = await configOf(join(place, 'data'))
      const recipe = writeRecipe(place, { ...config, training: { epochs: 1, batch: 4 } })
      const { code, stdout, stderr } = await moiety('train', recipe, '--out', join(place, 'run'), '--json')
      expect(code, stderr).toBe(0)
      const events = linesOf(stdout)
      expect(events.flatMap(event => wrongIn('events', event))).toEqual([])
      expect(events).toContainEqual(
        expect.objectContaining({ kind: 'step', step: 3, layers: expect.any(Array) }),
      )
      expect(events.at(-1)).toMatchObject({ kind: 'summary', interrupted: false })
      const lines = linesOf(readFileSync(join(place, 'run', 'metrics.jsonl'), 'utf8'))
      expect(lines.flatMap(line => wrongIn('metrics', line))).toEqual([])
      expect(
        wrongIn('summary', JSON.parse(readFileSync(join(place, 'run', 'summary.json'), 'utf8'))),
      ).toEqual([])
    },
    120_000,
  )

  it('has null for a number that is none, and says which', () => {
    const line: unknown = JSON.parse(encodeLine({ kind: 'epoch', loss: Number.NaN, layers: [] }))
    expect(line).toEqual({ kind: 'epoch', loss: null, layers: [], nonFinite: { loss: 'NaN' } })
  })

  it('is typed as its schema', () => {
    const event = (one: TrainEvent): DeepReadonly<z.input<typeof trainEventSchema>> => one
    const summary = (one: TrainSummary): DeepReadonly<z.input<typeof summarySchema>> => one
    expect([event, summary]).toHaveLength(2)
  })
})

describe('the files of a run', () => {
  it('metrics.jsonl and summary.json are as their schemas say', () => {
    const lines = linesOf(readFileSync(join(run, 'metrics.jsonl'), 'utf8'))
    expect(lines.length).toBeGreaterThan(14)
    const mixture = expect.objectContaining({ shares: Array.from({ length: 4 }, () => expect.any(Number)) })
    const counted = expect.objectContaining({ counters: expect.any(Object) })
    const step = lines.find((line): line is { layers: object } => (line as { step: number }).step === 2)
    expect(Object.values(step!.layers)).toEqual([mixture, counted])
    expect(lines.flatMap(line => wrongIn('metrics', line))).toEqual([])
    expect(wrongIn('summary', JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')))).toEqual([])
  })

  it('report.json and routing.parquet are as their schemas say', async () => {
    const { code, stderr } = await moiety('explain', run, '--permutations', '10')
    expect(code, stderr).toBe(0)
    expect(wrongIn('report', JSON.parse(readFileSync(join(run, 'report.json'), 'utf8')))).toEqual([])
    const { buffer, byteOffset, byteLength } = readFileSync(join(run, 'routing.parquet'))
    const rows = await parquetReadObjects({ file: buffer.slice(byteOffset, byteOffset + byteLength) })
    expect(rows).toHaveLength(64)
    expect(rows.flatMap(row => wrongIn('routing', row))).toEqual([])
  })

  it('would be found to be otherwise', () => {
    expect(wrongIn('summary', { run: 'x' })).not.toEqual([])
    const line = linesOf(readFileSync(join(run, 'metrics.jsonl'), 'utf8'))[0] as object
    expect(wrongIn('metrics', { ...line, layers: { layer4: { shares: 'even' } } })).not.toEqual([])
    expect(wrongIn('metrics', { kind: 'step', step: 'two' })).not.toEqual([])
    expect(wrongIn('events', { kind: 'other' })).not.toEqual([])
    expect(wrongIn('report', { version: 1 })).not.toEqual([])
    expect(
      wrongIn('routing', { image: -1, layer: 'layer4', logits: [], weights: [], chosen: [] }),
    ).not.toEqual([])
  })
})

describe('moiety schema', () => {
  it('prints a schema with its version, and the names of all', async () => {
    const { stdout } = await moiety('schema', 'report')
    expect(JSON.parse(stdout)).toEqual(jsonSchema('report'))
    expect(jsonSchema('report').$id).toBe('urn:moiety:schema:report:3')
    expect((await moiety('schema')).stdout).toMatch(/^metrics .*\nsummary .*\nreport .*\nrouting .*\nevents /)
  })

  it('refuses another name and names the nearest', async () => {
    const { code, stderr } = await moiety('schema', 'metric')
    expect(code).toBe(2)
    expect(stderr).toMatch(/no schema "metric".*did you mean metrics/s)
  })
})
