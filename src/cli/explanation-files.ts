import { join } from 'node:path'
import type { Explanation } from '../analysis/explain-run.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import { chartFiles } from '../report/chart-files.ts'
import { renderReport } from '../report/page.ts'
import type { PaperChart } from '../report/paper-chart.ts'

/**
 * Writes what was found out about a run into a folder: its tables, `report.html` and `report.json`. They are replaced together:
 * a full disk leaves the older ones, and of two commands at once one leaves all files.
 *
 * @throws MoietyError `disk`
 */
export async function writeExplanation(
  folder: string,
  { findings, pictures, tables }: Explanation,
  disk: Disk = nodeDisk,
): Promise<void> {
  const page = renderReport(findings, pictures)
  replaceFiles(disk, [
    ...tables.map(({ name, bytes }) => ({ path: join(folder, name), bytes })),
    { path: join(folder, 'report.html'), bytes: page },
    { path: join(folder, 'report.json'), bytes: `${JSON.stringify(findings)}\n` },
  ])
}

/** Writes charts with their data into a folder, see {@link chartFiles}. @throws MoietyError `disk` */
export async function writeCharts(
  folder: string,
  charts: readonly PaperChart[],
  disk: Disk = nodeDisk,
): Promise<void> {
  const files = await chartFiles(charts)
  replaceFiles(
    disk,
    files.map(({ name, bytes }) => ({ path: join(folder, name), bytes })),
  )
}
