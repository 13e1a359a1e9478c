import { csvField } from '../base/escaping.ts'
import { columnWidths, pixels } from './paper.ts'
import type { DataRow, PaperChart } from './paper-chart.ts'

/** A file of a chart: its name, which may have a folder before it, and its content. */
export interface ChartFile {
  readonly name: string
  readonly bytes: Uint8Array | string
}

/**
 * Charts as files for documents: each as SVG and as PDF in the width of one column (84 mm) and of two (174 mm), and its data as CSV.
 * `layer4-training-84mm.svg`, `layer4-training-84mm.pdf`, `layer4-training-174mm.svg`, `layer4-training-174mm.pdf`,
 * `layer4-training.csv`.
 */
export async function chartFiles(charts: readonly PaperChart[]): Promise<ChartFile[]> {
  const { svgToPdf } = await import('./svg-to-pdf.ts')
  const files: ChartFile[] = []
  for (const { name, chart } of named(charts)) {
    for (const width of columnWidths) {
      const svg = chart.paper(pixels(width))
      files.push({ name: `${name}-${width}mm.svg`, bytes: svg })
      files.push({ name: `${name}-${width}mm.pdf`, bytes: await svgToPdf(svg) })
    }
    files.push({ name: `${name}.csv`, bytes: csvOf(chart.data) })
  }
  return files
}

/** Each with a name of its own that every file system takes. */
function named(charts: readonly PaperChart[]): { readonly name: string; readonly chart: PaperChart }[] {
  const used = new Set<string>()
  return charts.map(chart => {
    const plain = chart.name.split('/').map(plainName).join('/')
    let name = plain
    for (let i = 2; used.has(name.toLowerCase()); i++) name = `${plain}-${i}`
    used.add(name.toLowerCase())
    return { name, chart }
  })
}

const longest = 80

function plainName(part: string): string {
  const plain = part
    .normalize('NFC')
    .replace(/[^\p{L}\p{N}._+-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
  return Array.from(plain).slice(0, longest).join('') || 'chart'
}

/** RFC 4180, a line a row, with every column that some row has; what is not there is empty. */
function csvOf(data: readonly DataRow[]): string {
  const columns = [...new Set(data.flatMap(row => Object.keys(row)))]
  const lines = [
    columns,
    ...data.map(row =>
      columns.map(column => {
        const value = row[column] ?? null
        return value === null ? '' : String(value)
      }),
    ),
  ]
  return lines.map(line => `${line.map(csvField).join(',')}\r\n`).join('')
}
