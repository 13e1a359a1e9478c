import { setImmediate } from 'node:timers/promises'
import { fail } from '../base/errors.ts'
import { nearest } from '../config/shape.ts'
import { nodeDisk } from '../files/disk.ts'
import type { JsonObject } from '../files/json.ts'
import { replaceFile } from '../files/replace-files.ts'
import { textOf } from '../sweep/axes.ts'
import {
  type RunsTable,
  runsCsv,
  runsLatex,
  runsMarkdown,
  runsParquet,
  runsTable,
  runsText,
} from '../sweep/runs-table.ts'
import { renderSweep, type SweepPage, sweepCharts } from '../sweep/sweep-page.ts'
import { type SweepTable, sweepTable } from '../sweep/sweep-table.ts'
import {
  type LatexWords,
  latexLabel,
  tableCsv,
  tableLatex,
  tableMarkdown,
  tableParquet,
  tableText,
} from '../sweep/table-formats.ts'
import { type TableSource, tableSource } from '../sweep/table-source.ts'
import { writeCharts } from './explanation-files.ts'
import type { TableFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { requireFile, requireFolder } from './run-flags.ts'
import { clean } from './screen.ts'
import { endedBySignal } from './signals.ts'

const formats = ['text', 'markdown', 'latex', 'csv', 'parquet', 'html'] as const
type Format = (typeof formats)[number]

/** `moiety table`; returns the exit code. */
export async function runTable(folder: string, flags: TableFlags): Promise<number> {
  return await endedBySignal(async signal => await writeTable(folder, flags, signal))
}

/** The word of `--rows` for a row a run. */
const runsWord = 'runs'

async function writeTable(place: string, flags: TableFlags, signal: AbortSignal): Promise<void> {
  const format = formatOf(flags)
  if (flags.out !== undefined) requireFile(flags.out)
  if (flags.charts !== undefined) requireFolder(flags.charts)
  const source = await tableSource(place, signal)
  if (flags.charts !== undefined) await writeCharts(flags.charts, sweepCharts(pageOf(source, [])))
  if (flags.rows === runsWord) {
    const names = listOf(flags.value, '--value') ?? source.usualOfRuns
    const table = runsTable(
      source,
      names.map(name => source.measure(name)),
    )
    if (flags.json) return printJson(runsJson(source, table))
    return await put(runsContent(format, table, flags), flags.out, signal)
  }
  const layout = {
    rows: listOf(flags.rows, '--rows'),
    columns: listOf(flags.columns, '--columns'),
    baseline: flags.baseline === undefined ? undefined : baselineOf(flags.baseline),
  }
  const laidOut = (value: string): SweepTable =>
    sweepTable(source.record, source.outcomes, { ...layout, measure: source.measure(value) })
  const table = laidOut(flags.value ?? source.usual)
  if (flags.json) return printJson(jsonOf(source, table))
  await put(contentOf(format, source, table, laidOut, flags), flags.out, signal)
}

async function put(
  content: string | Uint8Array,
  out: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (out === undefined) {
    if (typeof content === 'string') print(content.trimEnd())
    return
  }
  await setImmediate()
  signal.throwIfAborted()
  replaceFile(nodeDisk, out, typeof content === 'string' ? `${content.trimEnd()}\n` : content)
  print(`The table is ${clean(out)}`)
}

function contentOf(
  format: Format,
  source: TableSource,
  table: SweepTable,
  laidOut: (value: string) => SweepTable,
  flags: TableFlags,
): string | Uint8Array {
  const { title } = source.record
  switch (format) {
    case 'text':
      return tableText(table, title)
    case 'markdown':
      return tableMarkdown(table, title)
    case 'latex':
      return tableLatex(table, title, latexWords(flags))
    case 'csv':
      return tableCsv(table)
    case 'parquet':
      return tableParquet(table)
    case 'html':
      return page(source, table, laidOut)
  }
}

function runsContent(format: Format, table: RunsTable, flags: TableFlags): string | Uint8Array {
  switch (format) {
    case 'text':
      return runsText(table)
    case 'markdown':
      return runsMarkdown(table)
    case 'latex':
      return runsLatex(table, latexWords(flags))
    case 'csv':
      return runsCsv(table)
    case 'parquet':
      return runsParquet(table)
    case 'html':
      return fail({
        kind: 'usage',
        message: 'a table of runs is no page',
        where: '--format',
        help: 'leave --rows runs out: the page has all runs below its tables',
      })
  }
}

function latexWords({ caption, label }: TableFlags): Partial<LatexWords> {
  return {
    ...(caption === undefined ? {} : { caption }),
    ...(label === undefined ? {} : { label: latexLabel(label) }),
  }
}

function page(source: TableSource, table: SweepTable, laidOut: (value: string) => SweepTable): string {
  const all = [...source.outcomes.values()]
  const layers = Math.max(0, ...all.map(outcome => (outcome.status === 'done' ? outcome.layers.length : 0)))
  // With several mixtures a run there is no one number of balance; the charts show each.
  const others =
    layers === 1 ? [source.usual, 'cvImportance'].filter(value => value !== table.measure.key) : []
  return renderSweep(pageOf(source, [table, ...others.map(laidOut)]))
}

function pageOf({ record, outcomes, filesOf }: TableSource, tables: readonly SweepTable[]): SweepPage {
  const axis = record.axes.find(({ label }) => label === 'constraint') ?? record.axes.at(-1)
  return {
    title: record.title,
    description: record.description,
    seriesAxis: axis?.label ?? null,
    runs: record.runs.map(({ name, values }) => {
      const outcome = outcomes.get(name) ?? { status: 'missing' }
      const value = axis !== undefined && Object.hasOwn(values, axis.label) ? values[axis.label] : undefined
      return {
        name,
        series: value === undefined ? 'without' : textOf(value),
        group:
          record.axes.map(({ label }) => `${label} ${textOf(values[label] ?? null)}`).join(', ') ||
          'all runs',
        outcome,
        ...(outcome.status === 'done' ? filesOf(name) : { latency: null, learning: [] }),
      }
    }),
    tables,
  }
}

function formatOf({ format, out, json }: TableFlags): Format {
  const found = formats.find(name => name === format)
  if (found === undefined) {
    const guess = nearest(format, formats)
    return fail({
      kind: 'usage',
      message: `there is no format "${format}"`,
      where: '--format',
      help: guess === undefined ? `the formats are ${formats.join(', ')}` : `did you mean ${guess}?`,
    })
  }
  if (found === 'parquet' && out === undefined && !json)
    fail({ kind: 'usage', message: 'Parquet is not text', where: '--format', help: 'add --out FILE.parquet' })
  return found
}

function listOf(text: string | undefined, where: string): string[] | undefined {
  if (text === undefined) return undefined
  const labels = text.split(',').map(label => label.trim())
  if (!labels.includes('')) return labels
  return fail({
    kind: 'usage',
    message: `expected names, came "${text}"`,
    where,
    help: `for example ${where} constraint,position`,
  })
}

/** `constraint=none,position=4`, or `none`. */
function baselineOf(text: string): JsonObject | null {
  if (text === 'none') return null
  return Object.fromEntries(
    text.split(',').map(assignment => {
      const equals = assignment.indexOf('=')
      if (equals <= 0)
        fail({
          kind: 'usage',
          message: `expected a=b, came "${assignment}"`,
          where: '--baseline',
          help: 'for example --baseline constraint=none',
        })
      return [assignment.slice(0, equals).trim(), assignment.slice(equals + 1).trim()]
    }),
  )
}

function jsonOf({ record, outcomes }: TableSource, { measure, cells, ...table }: SweepTable): object {
  return {
    sweep: record.name,
    value: measure.key,
    ...table,
    cells,
    runs: record.runs.map(run => ({ ...run, ...(outcomes.get(run.name) ?? { status: 'missing' }) })),
  }
}

function runsJson({ record }: TableSource, { measures, rows }: RunsTable): object {
  return {
    sweep: record.name,
    rows: rows.map(({ run, seed, status, numbers }, at) => ({
      run,
      ...record.runs[at]?.values,
      seed,
      status,
      values: Object.fromEntries(measures.map(({ key }, i) => [key, numbers[i] ?? null])),
    })),
  }
}
