import { parquetReadObjects } from 'hyparquet'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import type { Json, JsonObject } from '../files/json.ts'
import { pairedTest } from '../metrics/paired-permutation-test.ts'
import { scoreOf } from '../tasks/measures.ts'
import type { Outcome } from './outcome.ts'
import type { SweepRecord } from './sweep-folder.ts'
import { type Layout, type SweepTable, sweepTable } from './sweep-table.ts'
import { tableCsv, tableLatex, tableMarkdown, tableParquet, tableText } from './table-formats.ts'
import { cellText, differenceText, notesOf } from './table-text.ts'
import { measureNamed, usualMeasure } from './table-values.ts'

const seeds = [1, 2, 3]

/** A record of every combination of these axes. */
function recordOf(axes: Record<string, Json[]>, baseline: JsonObject | null = null): SweepRecord {
  let combinations: Record<string, Json>[] = [{}]
  for (const [label, values] of Object.entries(axes))
    combinations = combinations.flatMap(one => values.map(value => ({ ...one, [label]: value })))
  return {
    format: 1,
    name: 'made-up',
    title: 'Made up',
    description: '',
    recipe: 'x',
    axes: Object.entries(axes).map(([label, values]) => ({ label, key: `keys.${label}`, values })),
    seeds,
    baseline,
    runs: combinations.flatMap(values =>
      seeds.map(seed => ({
        name: `${Object.values(values).join('-')}-${seed}`,
        hash: '',
        seed,
        values,
      })),
    ),
  }
}

const done = (top1: number, cvImportance: number | null = 0.5): Outcome => ({
  status: 'done',
  measures: { top1, top5: 1 },
  seconds: 10,
  layers: [
    {
      name: 'layer4',
      importance: [0.5, 0.5],
      cvImportance,
      cvActivation: 0,
      active: 2,
      byK: null,
    },
  ],
})

function table(
  record: SweepRecord,
  outcomes: Record<string, Outcome>,
  layout: Partial<Layout> = {},
): SweepTable {
  const all = new Map(Object.entries(outcomes))
  return sweepTable(record, all, { measure: measureNamed('top1', all.values()), ...layout })
}

const record = recordOf({ constraint: ['none', 'kl'], position: [1, 4] }, { constraint: 'none' })
const outcomes: Record<string, Outcome> = {
  'none-1-1': done(0.5),
  'none-1-2': done(0.52),
  'none-1-3': done(0.54),
  'kl-1-1': done(0.56),
  'kl-1-2': done(0.58),
  'kl-1-3': { status: 'failed', message: 'the loss is NaN, at step 3' },
  'none-4-1': done(0.6),
  'none-4-2': { status: 'running' },
  'kl-4-1': { status: 'interrupted' },
}

describe('a table', () => {
  it('has mean and sample deviation over seeds, and tells what is in no mean', () => {
    const { rows, columns, cells, absent, planned } = table(record, outcomes)
    expect([rows, columns]).toEqual([
      [['none'], ['kl']],
      [['1'], ['4']],
    ])
    const [none, kl] = cells
    expect(none?.[0]).toMatchObject({ planned: 3, count: 3, statuses: { done: 3 }, isBaseline: true })
    expect(none?.[0]?.mean).toBeCloseTo(0.52, 12)
    expect(none?.[0]?.deviation).toBeCloseTo(0.02, 12)
    expect(kl?.[0]).toMatchObject({ planned: 3, count: 2, statuses: { done: 2, failed: 1 } })
    expect(none?.[1]).toMatchObject({
      count: 1,
      deviation: null,
      statuses: { done: 1, running: 1, missing: 1 },
    })
    expect(kl?.[1]).toMatchObject({ count: 0, mean: null, statuses: { interrupted: 1, missing: 2 } })
    expect([absent.length, planned]).toEqual([6, 12])
  })

  it('words each cell so that nothing that is missing can be overlooked', () => {
    const laidOut = table(record, outcomes)
    const texts = laidOut.cells.map(row => row.map(cell => cellText(cell, laidOut)))
    expect(texts).toEqual([
      ['52.0 ± 2.0', '60.0 (1 of 3; 1 running, 1 missing)'],
      ['57.0 ± 1.4 (2 of 3; 1 failed)', '1 interrupted, 2 missing'],
    ])
    expect(notesOf(laidOut)).toContain(
      '6 of 12 runs are in no mean: 1 running, 1 interrupted, 1 failed, 3 missing.',
    )
    expect(notesOf(laidOut)).toContain('kl-1-3: failed, the loss is NaN, at step 3')
  })

  it('compares with the baseline of the same other values, over the seeds that both have', () => {
    const laidOut = table(record, outcomes)
    const [first, second] = laidOut.cells[1] ?? []
    expect(first?.test).toMatchObject({ pairs: 2, p: 0.5 })
    expect(first?.test?.difference).toBeCloseTo(0.06, 12)
    expect(second?.test).toBeNull()
    expect(differenceText(first ?? null, laidOut)).toBe('+6.00, p 0.500')
    expect(notesOf(laidOut).at(-1)).toContain('no difference can be significant here')
  })

  it('can be arranged in any way, and never puts together what differs', () => {
    const arranged = (layout: Partial<Layout>) => {
      const { rowAxes, columnAxes, rows, columns } = table(record, outcomes, layout)
      return [rowAxes, columnAxes, rows.length, columns.length]
    }
    expect(arranged({ rows: ['position'] })).toEqual([['position'], ['constraint'], 2, 2])
    expect(arranged({ columns: ['constraint'] })).toEqual([['position'], ['constraint'], 2, 2])
    expect(arranged({ rows: ['seed'], columns: ['position'] })).toEqual([
      ['seed', 'constraint'],
      ['position'],
      6,
      2,
    ])
    expect(arranged({ columns: ['position', 'constraint'] })).toEqual([[], ['position', 'constraint'], 1, 4])
    expect(arranged({ columns: [] })).toEqual([['constraint', 'position'], [], 4, 1])
    expect(arranged({ rows: ['keys.position'] }).slice(0, 1)).toEqual([['position']])
  })

  it('compares with a baseline to which other axes do not apply', () => {
    const { runs, ...rest } = recordOf({ network: ['moe'], constraint: ['kl', 'mean'] })
    const plain = {
      ...rest,
      axes: [{ label: 'network', key: 'network', values: ['moe', 'plain'] }, ...rest.axes.slice(1)],
    }
    const withPlain = {
      ...plain,
      baseline: { network: 'plain' },
      runs: [
        ...runs,
        ...seeds.map(seed => ({ name: `plain-${seed}`, hash: '', seed, values: { network: 'plain' } })),
      ],
    }
    const { cells, rows } = table(withPlain, {
      'plain-1': done(0.5),
      'moe-kl-1': done(0.6),
      'moe-mean-1': done(0.4),
    })
    expect(rows).toEqual([['moe'], ['plain']])
    expect(cells.flat().map(cell => cell?.test?.difference.toFixed(1))).toEqual([
      '0.1',
      '-0.1',
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(cells[1]?.[2]?.isBaseline).toBe(true)
  })

  it('shows a number that a run does not have as a dash, and one that was not finite too', () => {
    const all = { 'none-1-1': done(0.5, null), 'none-1-2': done(0.5, 0.25) }
    const measure = measureNamed('cvImportance', Object.values(all))
    const laidOut = table(record, all, { measure })
    expect(cellText(laidOut.cells[0]?.[0] ?? null, laidOut)).toBe('0.250 (1 of 3; 1 missing)')
  })

  it.each<[Partial<Layout> | string, string]>([
    [{ rows: ['constrain'] }, 'did you mean constraint?'],
    [{ rows: ['position'], columns: ['position'] }, 'position was named twice'],
    [{ baseline: { constraint: 'nil' } }, 'never nil'],
    [{ baseline: { x: 1 } }, '"x" does not vary'],
    ['top2', 'did you mean top1?'],
    ['active.layer9', 'active.layer4'],
  ])('refuses %j', (layout, message) => {
    const act = () =>
      typeof layout === 'string'
        ? measureNamed(layout, Object.values(outcomes))
        : table(record, outcomes, layout)
    expect(act).toThrow(MoietyError)
    try {
      act()
    } catch (error) {
      expect(error instanceof MoietyError ? error.describe() : '').toContain(message)
    }
  })

  it('asks which of several mixtures is meant', () => {
    const one = done(0.5)
    const two =
      one.status === 'done' ? { ...one, layers: [...one.layers, { ...one.layers[0]!, name: 'layer1' }] } : one
    expect(() => measureNamed('active', [two])).toThrow('several mixtures')
    expect(measureNamed('active.layer1', [two]).of(two, '')).toBe(2)
  })
})

describe('the formats', () => {
  const hostile = recordOf({
    name: ['a|b', 'c,"d"\n', '50%_#$&{}~^\\', '<script>', '-1*`x`'],
    rate: [0.1, 1e-7],
  })
  const some = table(hostile, { 'a|b-0.1-1': done(0.5), 'a|b-0.1-2': done(0.25) })

  it('Markdown keeps its columns whatever values hold', () => {
    const lines = tableMarkdown(some, 'T|t').split('\n')
    const rows = lines.filter(line => line.startsWith('|'))
    expect(rows).toHaveLength(7)
    for (const row of rows) expect(row.replaceAll('\\|', '').match(/\|/g)).toHaveLength(4)
    expect(lines[0]).toBe('**T\\|t**: top-1 accuracy, %')
    expect(tableMarkdown(some, '')).toContain('\\<script\\>')
  })

  it('LaTeX escapes all that it would take for its own', () => {
    const text = tableLatex(some, 'T')
    expect(text).toContain('50\\%\\_\\#\\$\\&\\{\\}\\textasciitilde{}\\textasciicircum{}\\textbackslash{} &')
    expect(text).toContain('37.5 $\\pm$ 17.7 (2 of 3; 1 missing)')
    expect(text).toContain('30 runs are in no mean')
    expect(text.match(/\\begin\{tabular\}\{lrr\}/g)).toHaveLength(1)
  })

  it('Markdown and LaTeX have the differences and p that their notes are about', () => {
    const laidOut = table(record, outcomes)
    const markdown = tableMarkdown(laidOut, 'T')
    expect(markdown).toContain('**T**: top-1 accuracy, %: difference to constraint none, with p\n')
    expect(markdown).toContain('| none | baseline | baseline |\n| kl | +6.00, p 0.500 | – |\n')
    const latex = tableLatex(laidOut, 'T')
    expect(latex).toContain('\\caption{T: top-1 accuracy, \\%: difference to constraint none, with p.}')
    expect(latex.match(/\\label\{.*\}/g)).toEqual(['\\label{tab:top1}', '\\label{tab:top1-difference}'])
    const worded = tableLatex(laidOut, 'T', { caption: 'Of $K$.', label: 'k' })
    expect(worded).toMatch(/\\begin\{table\}\n\\centering\n\\caption\{Of \$K\$\.\}\n\\label\{tab:k\}/)
    expect(latex).toContain('  kl & +6.00, p 0.500 & -- \\\\')
    expect(latex.match(/\\begin\{tabular\}\{lrr\}/g)).toHaveLength(2)
    expect(latex.match(/\\end\{tabular\}/g)).toHaveLength(2)
    // Each note stands once, and without a baseline there is no second table.
    expect(latex.match(/no difference can be significant/g)).toHaveLength(1)
    expect(tableMarkdown(table(record, outcomes, { baseline: null }), 'T')).not.toContain('difference')
  })

  it('CSV quotes as RFC 4180 says, numbers unrounded and empty where there are none', () => {
    const csv = tableCsv(some)
    const [head, first, second] = csv.split('\r\n')
    expect(head).toBe('name,rate,value,mean,deviation,runs,planned,absent,difference,p,pairs')
    expect(first).toBe('a|b,0.1,top1,0.375,0.1767766952966369,2,3,1 missing,,,')
    expect(second).toBe('a|b,1e-7,top1,,,0,3,3 missing,,,')
    expect(csv).toContain('"c,""d""\\n",0.1,')
  })

  it('Parquet has the columns of the CSV, numbers as numbers', async () => {
    const { buffer } = tableParquet(some).slice()
    const rows = await parquetReadObjects({ file: buffer })
    expect(rows).toHaveLength(10)
    expect(rows[0]).toMatchObject({ name: 'a|b', rate: 0.1, mean: 0.375, runs: 2, planned: 3, p: null })
    expect(rows[9]).toMatchObject({ name: '-1*`x`', rate: 1e-7, mean: null, absent: '3 missing' })
  })

  it('text has all columns below each other', () => {
    const text = tableText(table(record, outcomes), 'Title')
    expect(text).toContain(
      [
        '  constraint                     position 1                           position 4',
        '  none                           52.0 ± 2.0  60.0 (1 of 3; 1 running, 1 missing)',
        '  kl          57.0 ± 1.4 (2 of 3; 1 failed)             1 interrupted, 2 missing',
      ].join('\n'),
    )
  })
})

describe('the paired sign-flip test', () => {
  it('gives what counting by hand gives', () => {
    // |±1 ±2 ±3| ≥ 6 for two of eight combinations; ≥ 4 for four (6, 4 and their opposites).
    expect(
      pairedTest([
        [1, 0],
        [2, 0],
        [3, 0],
      ]).p,
    ).toBe(2 / 8)
    expect(
      pairedTest([
        [0, 1],
        [2, 0],
        [3, 0],
      ]).p,
    ).toBe(4 / 8)
    expect(
      pairedTest([
        [1, 1],
        [2, 2],
      ]),
    ).toMatchObject({ difference: 0, p: 1 })
    expect(pairedTest([[0.7, 0.1]])).toMatchObject({ p: 1, smallest: 1 })
  })

  it('reaches 0.05 with six seeds at the earliest', () => {
    const p = (count: number) => pairedTest(Array.from({ length: count }, (_, i) => [i + 1, 0])).p
    expect(p(5)).toBeGreaterThan(0.05)
    expect(p(6)).toBeLessThan(0.05)
  })

  it('does not take the rounding of sums for a difference', () => {
    const noisy = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map((value): [number, number] => [value + 0.1, value])
    expect(pairedTest(noisy).p).toBe(2 / 64)
  })

  it('draws combinations beyond sixteen pairs, always the same, close to what all of them would give', () => {
    const pairs = Array.from({ length: 17 }, (_, i): [number, number] => [i % 3 === 0 ? -1 : 1, 0])
    const { p } = pairedTest(pairs)
    expect(pairedTest(pairs).p).toBe(p)
    // Binomial(17, ½): the sum 5 or more, 11 signs of 17 or more, on both sides.
    expect(p).toBeCloseTo(0.332, 2)
  })
})

describe('what runs are ranked by', () => {
  const precision = { AP: 0.25, AP50: 0.5, AP75: null, APs: 0.1, APm: 0.2, APl: 0.3, AR100: 0.6 }
  const detector: Outcome = {
    status: 'done',
    measures: precision,
    seconds: 9,
    layers: [],
  }

  it("is the accuracy of a classifier and COCO's AP of a detector", () => {
    expect(scoreOf({ top1: 0.4, top5: 0.8 })).toMatchObject({ label: 'top-1', value: 0.4 })
    expect(scoreOf(precision)).toMatchObject({ label: 'AP', value: 0.25 })
    expect(scoreOf({ AP: null })).toBeNull()
    expect(usualMeasure([{ status: 'missing' }, detector])).toBe('AP')
    expect(usualMeasure([{ status: 'missing' }, done(0.4)])).toBe('top1')
  })

  it("can be any of a detector's numbers in a table", () => {
    const of = (value: string) => measureNamed(value, [detector]).of(detector, '')
    expect([of('AP50'), of('APs'), of('AR100'), of('AP75'), of('top1')]).toEqual([0.5, 0.1, 0.6, null, null])
  })
})
