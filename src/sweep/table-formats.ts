import { parquetWriteBuffer } from 'hyparquet-writer'
import { csvField, latex, markdown, markdownCell, visible } from '../base/escaping.ts'
import type { Json } from '../files/json.ts'
import { textOf } from './axes.ts'
import type { SweepTable } from './sweep-table.ts'
import { absentText, cellText, differenceText, notesOf } from './table-text.ts'

/** A table of a sweep as text, Markdown, LaTeX, CSV and Parquet. */

/** Headings and cells as texts: one line of heads for each axis in columns, and the row's own headings before its cells. */
function grid(table: SweepTable, text: (row: number, column: number) => string): string[][] {
  const { rowAxes, columnAxes, rows, columns } = table
  const corner = (i: number): string[] =>
    rowAxes.map((label, at) => (i === Math.max(0, columnAxes.length - 1) || at === -1 ? label : ''))
  const heads =
    columnAxes.length === 0
      ? [[...rowAxes, table.measure.title]]
      : columnAxes.map((label, i) => [
          ...corner(i),
          ...columns.map(heading => `${label} ${heading[i] ?? ''}`),
        ])
  const body = rows.map((heading, row) => [...heading, ...columns.map((_, column) => text(row, column))])
  return [...heads, ...body]
}

const cellAt = (table: SweepTable, row: number, column: number) => table.cells[row]?.[column] ?? null

/** As a terminal shows it: the table, the differences to the baseline, the notes. */
export function tableText(table: SweepTable, title: string): string {
  const block = (text: (row: number, column: number) => string): string =>
    aligned(
      grid(table, text).map(row => row.map(visible)),
      table.rowAxes.length,
    )
  return [
    `${visible(title)}: ${visible(table.measure.title)}`,
    block((row, column) => cellText(cellAt(table, row, column), table)),
    ...(table.baseline === null
      ? []
      : [
          `Less ${visible(table.baseline)}`,
          block((row, column) => differenceText(cellAt(table, row, column), table)),
        ]),
    notesOf(table).map(visible).join('\n'),
  ].join('\n\n')
}

/** Columns under each other, texts to the left and numbers to the right. */
export function aligned(lines: readonly (readonly string[])[], left: number): string {
  const width = (text: string): number => Array.from(text).length
  const widths: number[] = []
  for (const line of lines)
    for (const [i, text] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, width(text))
  const pad = (text: string, i: number): string => {
    const gap = ' '.repeat((widths[i] ?? 0) - width(text))
    return i < left ? text + gap : gap + text
  }
  return lines.map(line => `  ${line.map(pad).join('  ')}`.trimEnd()).join('\n')
}

/** The table, and with a baseline a second one of the differences to it, which the notes below are about. */
function blocks(table: SweepTable): { readonly title: string; readonly lines: string[][] }[] {
  return [
    {
      title: table.measure.title,
      lines: grid(table, (row, column) => cellText(cellAt(table, row, column), table)),
    },
    ...(table.baseline === null
      ? []
      : [
          {
            title: `${table.measure.title}: difference to ${table.baseline}, with p`,
            lines: grid(table, (row, column) => differenceText(cellAt(table, row, column), table)),
          },
        ]),
  ]
}

/** Tables of GitHub's Markdown, with their notes below. */
export function tableMarkdown(table: SweepTable, title: string): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(markdownCell).join(' | ')} |`
  const notes = notesOf(table).map(note => `- ${markdown(note)}`)
  return [
    ...blocks(table).flatMap(({ title: what, lines: [first = [], ...rest] }) => [
      `**${markdown(title)}**: ${markdown(what)}`,
      '',
      line(first),
      `|${first.map((_, i) => (i < table.rowAxes.length ? '---' : '---:')).join('|')}|`,
      ...rest.map(line),
      '',
    ]),
    ...notes,
    '',
  ].join('\n')
}

/** What a table of LaTeX is called by. */
export interface LatexWords {
  /** As LaTeX. */
  readonly caption: string
  /** Behind `tab:`. */
  readonly label: string
}

/** Lines of a table: heads above the rule, rows below it, and how many columns stand to the left, the others to the right. */
interface LatexLines {
  readonly heads: readonly (readonly string[])[]
  readonly rows: readonly (readonly string[])[]
  readonly left: number
}

/** A `table` of LaTeX with the lines of booktabs, its caption above and its notes, which are text, as small print below. */
export function latexTable(
  { heads, rows, left }: LatexLines,
  { caption, label }: LatexWords,
  notes: readonly string[] = [],
): string[] {
  const line = (cells: readonly string[]): string => `  ${cells.map(latex).join(' & ')} \\\\`
  const small = `\\par\\smallskip{\\footnotesize ${notes.map(latex).join('\\\\ ')}}`
  return [
    '\\begin{table}',
    '\\centering',
    `\\caption{${caption}}`,
    `\\label{tab:${label}}`,
    `\\begin{tabular}{${(heads[0] ?? []).map((_, at) => (at < left ? 'l' : 'r')).join('')}}`,
    '  \\toprule',
    ...heads.map(line),
    '  \\midrule',
    ...rows.map(line),
    '  \\bottomrule',
    '\\end{tabular}',
    ...(notes.length === 0 ? [] : [small]),
    '\\end{table}',
  ]
}

/** The table, and with a baseline a second one of the differences to it; notes are below the last. */
export function tableLatex(table: SweepTable, title: string, words: Partial<LatexWords> = {}): string {
  const heads = Math.max(1, table.columnAxes.length)
  const { caption, label = latexLabel(table.measure.key) } = words
  const all = blocks(table)
  return [
    '% needs \\usepackage{booktabs}',
    ...all.flatMap(({ title: what, lines }, i) => {
      const usual = `${latex(`${title}: ${what}`)}.`
      const given = i === 0 ? caption : `${caption} ${latex(what)}.`
      return latexTable(
        { heads: lines.slice(0, heads), rows: lines.slice(heads), left: table.rowAxes.length },
        {
          caption: caption === undefined ? usual : (given ?? usual),
          label: i === 0 ? label : `${label}-difference`,
        },
        i === all.length - 1 ? notesOf(table) : [],
      )
    }),
    '',
  ].join('\n')
}

/** A label of LaTeX: letters, digits, points and hyphens. */
export function latexLabel(text: string): string {
  return text.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-|-$/g, '')
}

/** What machines read: a line a cell, numbers in their own unit (accuracies from 0 to 1). */
interface Column {
  readonly name: string
  readonly type: 'STRING' | 'DOUBLE' | 'INT32'
  readonly data: (string | number | null)[]
}

function machineColumns(table: SweepTable): Column[] {
  const cells = table.cells.flatMap((row, i) =>
    row.flatMap((cell, j) =>
      cell === null ? [] : [{ cell, row: table.rows[i] ?? [], column: table.columns[j] ?? [] }],
    ),
  )
  const axes = [...table.rowAxes, ...table.columnAxes]
  const axisColumn = (label: string, at: number): Column => {
    const values = cells.map(({ cell, row, column }): Json | undefined =>
      label === 'seed'
        ? Number([...row, ...column][at])
        : Object.hasOwn(cell.values, label)
          ? cell.values[label]
          : undefined,
    )
    const isNumeric = values.every(value => value === undefined || typeof value === 'number')
    return {
      name: label,
      type: isNumeric ? 'DOUBLE' : 'STRING',
      data: values.map(value =>
        value === undefined ? null : isNumeric && typeof value === 'number' ? value : textOf(value),
      ),
    }
  }
  const of = (
    name: string,
    type: Column['type'],
    value: (cell: (typeof cells)[number]['cell']) => string | number | null,
  ): Column => ({ name, type, data: cells.map(({ cell }) => value(cell)) })
  return [
    ...axes.map(axisColumn),
    of('value', 'STRING', () => table.measure.key),
    of('mean', 'DOUBLE', cell => cell.mean),
    of('deviation', 'DOUBLE', cell => cell.deviation),
    of('runs', 'INT32', cell => cell.count),
    of('planned', 'INT32', cell => cell.planned),
    of('absent', 'STRING', absentText),
    of('difference', 'DOUBLE', cell => cell.test?.difference ?? null),
    of('p', 'DOUBLE', cell => cell.test?.p ?? null),
    of('pairs', 'INT32', cell => cell.test?.pairs ?? null),
  ]
}

/** RFC 4180, a line a cell; what is not there is empty. */
export function tableCsv(table: SweepTable): string {
  const columns = machineColumns(table)
  const lines = [
    columns.map(({ name }) => name),
    ...(columns[0]?.data ?? []).map((_, row) =>
      columns.map(({ data }) => (data[row] === null ? '' : String(data[row]))),
    ),
  ]
  return lines.map(line => `${line.map(csvField).join(',')}\r\n`).join('')
}

/** The columns of the CSV as Parquet. */
export function tableParquet(table: SweepTable): Uint8Array {
  const columnData = machineColumns(table).map(({ name, type, data }) => ({
    name,
    type,
    data,
    nullable: true,
  }))
  return new Uint8Array(parquetWriteBuffer({ columnData }))
}
