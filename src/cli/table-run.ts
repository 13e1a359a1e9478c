import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { fail, MoietyError } from '../base/errors.ts'
import { nearest } from '../config/shape.ts'
import { nodeDisk } from '../files/disk.ts'
import type { JsonObject } from '../files/json.ts'
import { replaceFile } from '../files/replace-files.ts'
import { readLatency } from '../run/latency.ts'
import { type LearningPoint, learningCurveOf } from '../run/learning-curve.ts'
import { metricsPath, readMetrics } from '../run/metrics-log.ts'
import { textOf } from '../sweep/axes.ts'
import type { Outcome } from '../sweep/outcome.ts'
import { outcomesUnless } from '../sweep/run-sweep.ts'
import { requireRecord, type SweepRecord } from '../sweep/sweep-folder.ts'
import { renderSweep, type SweepPage, sweepCharts } from '../sweep/sweep-page.ts'
import { type SweepTable, sweepTable } from '../sweep/sweep-table.ts'
import { tableCsv, tableLatex, tableMarkdown, tableParquet, tableText } from '../sweep/table-formats.ts'
import { measureNamed, usualMeasure } from '../sweep/table-values.ts'
import { writeChartFiles } from './explanation-files.ts'
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

async function writeTable(folder: string, flags: TableFlags, signal: AbortSignal): Promise<void> {
  const format = formatOf(flags)
  if (flags.out !== undefined) requireFile(flags.out)
  if (flags.charts !== undefined) requireFolder(flags.charts)
  const record = requireRecord(folder)
  const outcomes = await outcomesUnless(signal, folder, record.runs)
  const layout = {
    rows: listOf(flags.rows, '--rows'),
    columns: listOf(flags.columns, '--columns'),
    baseline: flags.baseline === undefined ? undefined : baselineOf(flags.baseline),
  }
  const laidOut = (value: string): SweepTable =>
    sweepTable(record, outcomes, { ...layout, measure: measureNamed(value, outcomes.values()) })
  const usual = usualMeasure(outcomes.values())
  const table = laidOut(flags.value ?? usual)
  if (flags.json) return printJson(jsonOf(record, outcomes, table))
  if (flags.charts !== undefined) {
    const drawn = await page(folder, record, outcomes, table, laidOut, usual)
    signal.throwIfAborted()
    writeChartFiles(flags.charts, sweepCharts(drawn))
  }
  const content = await contentOf(format, folder, record, outcomes, table, laidOut, usual)
  if (flags.out === undefined) {
    if (typeof content === 'string') print(content.trimEnd())
    return
  }
  await setImmediate()
  signal.throwIfAborted()
  replaceFile(nodeDisk, flags.out, typeof content === 'string' ? `${content.trimEnd()}\n` : content)
  print(`The table is ${clean(flags.out)}`)
}

async function contentOf(
  format: Format,
  folder: string,
  record: SweepRecord,
  outcomes: ReadonlyMap<string, Outcome>,
  table: SweepTable,
  laidOut: (value: string) => SweepTable,
  usual: string,
): Promise<string | Uint8Array> {
  switch (format) {
    case 'text':
      return tableText(table, record.title)
    case 'markdown':
      return tableMarkdown(table, record.title)
    case 'latex':
      return tableLatex(table, record.title)
    case 'csv':
      return tableCsv(table)
    case 'parquet':
      return tableParquet(table)
    case 'html':
      return renderSweep(await page(folder, record, outcomes, table, laidOut, usual))
  }
}

async function page(
  folder: string,
  record: SweepRecord,
  outcomes: ReadonlyMap<string, Outcome>,
  table: SweepTable,
  laidOut: (value: string) => SweepTable,
  usual: string,
): Promise<SweepPage> {
  const all = [...outcomes.values()]
  const layers = Math.max(0, ...all.map(outcome => (outcome.status === 'done' ? outcome.layers.length : 0)))
  // With several mixtures a run there is no one number of balance; the charts show each.
  const others = layers === 1 ? [usual, 'cvImportance'].filter(value => value !== table.measure.key) : []
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
        ...(outcome.status === 'done'
          ? { latency: readLatency(join(folder, name)), learning: curveOf(join(folder, name)) }
          : { latency: null, learning: [] }),
      }
    }),
    tables: [table, ...others.map(laidOut)],
  }
}

/** The learning curve of a finished run; none where its log is missing or damaged, which a page is drawn without. */
function curveOf(run: string): LearningPoint[] {
  try {
    return learningCurveOf(readMetrics(metricsPath(run)))
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    return []
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

function jsonOf(
  record: SweepRecord,
  outcomes: ReadonlyMap<string, Outcome>,
  { measure, cells, ...table }: SweepTable,
): object {
  return {
    sweep: record.name,
    value: measure.key,
    ...table,
    cells,
    runs: record.runs.map(run => ({ ...run, ...(outcomes.get(run.name) ?? { status: 'missing' }) })),
  }
}
