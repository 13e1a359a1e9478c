import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { smallConfig, writeRun } from '../../test/untrained-run.ts'
import { latencyReport } from '../cli/export-run.ts'
import { painter } from '../cli/screen.ts'
import { readLatency, writeLatency } from '../run/latency.ts'
import { measureLatency } from './index.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-latency-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the latency of an exported file', () => {
  it('is measured sparse and dense, for 1 and 128 images, and kept with the run', async () => {
    const run = writeRun(join(folder, 'run'), smallConfig([{ experts: 4, k: 2, position: 4 }]))
    expect(readLatency(run)).toBeNull()
    const latency = await measureLatency({ run, threads: 1, rounds: 3 })
    expect(latency).toMatchObject({ threads: 1, rounds: 3 })
    expect(latency.processor).not.toBe('')
    expect(latency.forms.map(({ routing, batch }) => `${routing} ${batch}`)).toEqual([
      ...['sparse 1', 'dense 1', 'sparse 128', 'dense 128'],
    ])
    for (const { least, median, most } of latency.forms) {
      expect(least).toBeGreaterThan(0)
      expect(median).toBeGreaterThanOrEqual(least)
      expect(most).toBeGreaterThanOrEqual(median)
    }
    const [one, , many] = latency.forms
    expect(many!.least).toBeGreaterThan(one!.least)
    writeLatency(run, latency)
    expect(readLatency(run)).toEqual(latency)
    expect(latencyReport(latency, painter({ write: () => true }))).toMatch(/1 thread of .*medians of 3 runs/)
    writeFileSync(join(run, 'latency.json'), '{}')
    expect(readLatency(run)).toBeNull()
  })
})
