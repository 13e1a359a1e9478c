import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { measureAtPath } from './document-values.ts'
import type { Outcome } from './outcome.ts'
import { runsCsv, runsLatex, runsMarkdown, runsTable, runsText } from './runs-table.ts'
import { sweepTable } from './sweep-table.ts'
import { tableSource } from './table-source.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-source-'))
afterAll(() => rmSync(folder, { recursive: true }))

const done: Outcome = { status: 'done', measures: { top1: 0.5 }, seconds: 9, layers: [] }
const outcomes = new Map<string, Outcome>([
  ['a', done],
  ['b', done],
  ['c', { status: 'failed', message: 'NaN' }],
])

beforeAll(() => {
  const put = (run: string, file: string, value: unknown): void => {
    mkdirSync(join(folder, run), { recursive: true })
    writeFileSync(join(folder, run, file), JSON.stringify(value))
  }
  put('a', 'summary.json', { measures: { top1: 0.5, 'raw.top1': 0.4 }, seconds: 9, layers: [] })
  put('b', 'summary.json', { measures: { top1: 0.6 }, seconds: 1234, layers: [] })
  const layer = {
    name: 'layer4.1.conv2',
    share: [0.25, 0.75],
    groupings: [{ name: 'class', information: { value: 0.5 } }],
  }
  put('a', 'report.json', { loss: 1.5, run: { parameters: 1e6 }, layers: [{ ...layer, empty: null }] })
})

const at = (path: string) => measureAtPath(folder, outcomes, path, ['top1', 'seconds'])
const numbers = (path: string) => [...outcomes].map(([run, outcome]) => at(path).of(outcome, run))

describe('a number by its path', () => {
  it.each<[string, (number | null)[]]>([
    ['summary.measures.top1', [0.5, 0.6, null]],
    ['measures.raw.top1', [0.4, null, null]],
    ['report.loss', [1.5, null, null]],
    ['loss', [1.5, null, null]],
    ['report.layers.layer4.1.conv2.share.1', [0.75, null, null]],
    ['report.layers.0.share.1', [0.75, null, null]],
    ['report.layers.layer4.1.conv2.groupings.class.information.value', [0.5, null, null]],
  ])('%s is %j of finished runs', (path, expected) => expect(numbers(path)).toEqual(expected))

  it('has decimals by its size, and its path as title', () => {
    expect(at('report.run.parameters')).toMatchObject({ key: 'report.run.parameters', digits: 0 })
    expect(at('report.loss')).toMatchObject({ title: 'report.loss', digits: 3 })
  })

  it.each([
    [
      'report.layers.layer4.1.conv2.groupngs',
      /report\.layers\.layer4\.1\.conv2 has no "groupngs".*did you mean report\.layers\.layer4\.1\.conv2\.groupings\?/s,
    ],
    ['report.layers', /report\.layers is not a number.*what follows is layer4\.1\.conv2, 0/s],
    ['report.layers.0.empty', /report\.layers\.0\.empty is not a number.*it is no number/s],
    ['top', /no value "top".*did you mean top1\?/s],
    ['zzzzzzzz', /the values are top1, seconds, and every number of summary\.json and report\.json/],
  ])('%s is refused with what may follow', (path, message) => {
    expect(() => at(path)).toThrow(expect.objectContaining({ kind: 'usage' }) as Error)
    try {
      at(path)
    } catch (error) {
      const { message: what, help } = error as { message: string; help?: string }
      expect(`${what}; ${help}`).toMatch(message)
    }
  })
})

const csv = `run,constraint,experts,seed,status,top1,seconds,mine
a1,kl,4,42,done,0.5,100,3
a2,kl,4,43,done,0.52,110,
b1,"x, ""y""",8,42,failed,,,
b2,"x, ""y""",8,43,done,0.6,90,5\r
`

describe('a table of runs', () => {
  const place = join(folder, 'runs.csv')
  const source = (text = csv) => {
    writeFileSync(place, text)
    return tableSource(place, new AbortController().signal)
  }

  it('is laid out from a CSV of a line a run as from a sweep', async () => {
    const from = await source()
    expect(from.usual).toBe('top1')
    const table = sweepTable(from.record, from.outcomes, {
      measure: from.measure('top1'),
      baseline: { constraint: 'kl' },
    })
    expect(table.rows.map(([first]) => first)).toEqual(['kl', 'x, "y"'])
    expect(table.cells[0]![0]).toMatchObject({ count: 2, planned: 2 })
    expect(table.cells[0]![0]!.mean).toBeCloseTo(0.51, 12)
    expect(table.cells[1]![1]).toMatchObject({ count: 1, planned: 2, statuses: { failed: 1, done: 1 } })
    expect(from.measure('top1')).toMatchObject({ scale: 100 })
    expect(from.measure('mine').of(done, 'b2')).toBe(5)
  })

  it('is written as the CSV that it was read from', async () => {
    const from = await source()
    const table = runsTable(
      from,
      from.usualOfRuns.map(name => from.measure(name)),
    )
    expect(runsCsv(table).replaceAll('\r', '')).toBe(csv.replaceAll('\r', ''))
    expect(runsMarkdown(table)).toContain('| a1 | kl | 4 | 42 | done | 50.0 | 100 | 3.000 |')
    expect(runsText(table)).toMatch(/^ {2}b1 .* failed .* –/m)
    const latex = runsLatex(table, { caption: 'All of $K$.', label: 'all' })
    expect(latex).toMatch(/\\begin\{table\}\n\\centering\n\\caption\{All of \$K\$\.\}\n\\label\{tab:all\}/)
    expect(latex).toContain('\\begin{tabular}{lllllrrr}')
    expect(latex).toContain('  a2 & kl & 4 & 43 & done & 52.0 & 110 & -- \\\\')
  })

  it.each([
    [
      'run,seed,top1\n',
      /expected the columns run, what varies, seed, status and values, came run, seed, top1/,
    ],
    ['run,seed,status,a,a\n', /the column a is there twice/],
    ['run,seed,status,a\nx,1,done,many\n', /expected a number or nothing for a, came "many"/],
    ['run,seed,status,a\nx,1,fine,1\n', /expected a status \(done, .*came "fine"/],
    ['run,seed,status,a\nx,1.5,done,1\n', /expected a whole number as seed, came "1.5"/],
  ])('refuses %j', async (text, message) => {
    await expect(source(text)).rejects.toThrow(message)
  })

  it('refuses a value that is no column, and names the nearest', async () => {
    const from = await source()
    expect(() => from.measure('secnds')).toThrow(/no value "secnds"/)
  })
})
