import { parquetWriteBuffer } from 'hyparquet-writer'
import { csvField, latex, markdownCell, visible } from '../base/escaping.ts'
import { seedLabel, textOf } from './axes.ts'
import { aligned, type LatexWords, latexLabel, latexTable } from './table-formats.ts'
import { runColumn, statusColumn, type TableSource } from './table-source.ts'
import { numberText } from './table-text.ts'
import type { Measure } from './table-values.ts'

/** One row a run: its name, what varies, the seed, what became of it, and values. */
export interface RunsTable {
  readonly title: string
  readonly axes: readonly string[]
  readonly measures: readonly Measure[]
  readonly rows: readonly {
    readonly run: string
    /** Of each axis; empty where it does not apply. */
    readonly values: readonly string[]
    readonly seed: number
    readonly status: string
    readonly numbers: readonly (number | null)[]
  }[]
}

export function runsTable({ record, outcomes }: TableSource, measures: readonly Measure[]): RunsTable {
  return {
    title: record.title,
    axes: record.axes.map(({ label }) => label),
    measures,
    rows: record.runs.map(({ name, seed, values }) => {
      const outcome = outcomes.get(name) ?? { status: 'missing' as const }
      return {
        run: name,
        values: record.axes.map(({ label }) => {
          const value = Object.hasOwn(values, label) ? values[label] : undefined
          return value === undefined ? '' : textOf(value)
        }),
        seed,
        status: outcome.status,
        numbers: measures.map(measure => measure.of(outcome, name)),
      }
    }),
  }
}

/** Heads, and a line a run: numbers in the units of their measures, a dash where there is none. */
function grid({ axes, measures, rows }: RunsTable): string[][] {
  return [
    [runColumn, ...axes, seedLabel, statusColumn, ...measures.map(({ title }) => title)],
    ...rows.map(({ run, values, seed, status, numbers }) => [
      run,
      ...values.map(value => (value === '' ? '–' : value)),
      String(seed),
      status,
      ...numbers.map((value, i) => (value === null ? '–' : numberText(value, measures[i]!))),
    ]),
  ]
}

/** Columns of text before those of numbers. */
const textColumns = ({ axes }: RunsTable): number => axes.length + 3

export function runsText(table: RunsTable): string {
  const lines = grid(table).map(line => line.map(visible))
  return `${visible(table.title)}\n\n${aligned(lines, textColumns(table))}`
}

export function runsMarkdown(table: RunsTable): string {
  const [head = [], ...rest] = grid(table)
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(' | ')} |`
  const sides = head.map((_, i) => (i < textColumns(table) ? '---' : '---:'))
  return [line(head), `|${sides.join('|')}|`, ...rest.map(line), ''].join('\n')
}

export function runsLatex(table: RunsTable, words: Partial<LatexWords>): string {
  const [head = [], ...rest] = grid(table)
  const { caption = `${latex(table.title)}: all runs.`, label = `${latexLabel(table.title)}-runs` } = words
  const lines = latexTable({ heads: [head], rows: rest, left: textColumns(table) }, { caption, label })
  return ['% needs \\usepackage{booktabs}', ...lines, ''].join('\n')
}

/** RFC 4180 with numbers as they are (accuracies from 0 to 1): what {@link TableSource} reads again. */
export function runsCsv({ axes, measures, rows }: RunsTable): string {
  const lines = [
    [runColumn, ...axes, seedLabel, statusColumn, ...measures.map(({ key }) => key)],
    ...rows.map(({ run, values, seed, status, numbers }) => [
      run,
      ...values,
      String(seed),
      status,
      ...numbers.map(value => (value === null ? '' : String(value))),
    ]),
  ]
  return lines.map(line => `${line.map(csvField).join(',')}\r\n`).join('')
}

/** The columns of the CSV as Parquet. */
export function runsParquet({ axes, measures, rows }: RunsTable): Uint8Array {
  const text = (name: string, data: (string | null)[]) => ({
    name,
    type: 'STRING' as const,
    data,
    nullable: true,
  })
  const columnData = [
    text(
      runColumn,
      rows.map(({ run }) => run),
    ),
    ...axes.map((axis, i) =>
      text(
        axis,
        rows.map(({ values }) => (values[i] === '' ? null : (values[i] ?? null))),
      ),
    ),
    { name: seedLabel, type: 'DOUBLE' as const, data: rows.map(({ seed }) => seed), nullable: true },
    text(
      statusColumn,
      rows.map(({ status }) => status),
    ),
    ...measures.map(({ key }, i) => ({
      name: key,
      type: 'DOUBLE' as const,
      data: rows.map(({ numbers }) => numbers[i] ?? null),
      nullable: true,
    })),
  ]
  return new Uint8Array(parquetWriteBuffer({ columnData }))
}
