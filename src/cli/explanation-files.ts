import { join } from 'node:path'
import type { Explanation } from '../analysis/explain-run.ts'
import type { Findings } from '../analysis/findings.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import { renderReport } from '../report/page.ts'
import { type ChartFile, chartFiles } from '../report/single-charts.ts'

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

/** Writes every chart that the findings have something for into a folder. @throws MoietyError `disk` */
export async function writeCharts(folder: string, findings: Findings, disk: Disk = nodeDisk): Promise<void> {
  writeChartFiles(folder, chartFiles(findings), disk)
}

/** @throws MoietyError `disk` */
export function writeChartFiles(folder: string, charts: readonly ChartFile[], disk: Disk = nodeDisk): void {
  replaceFiles(
    disk,
    charts.map(({ name, svg }) => ({ path: join(folder, name), bytes: svg })),
  )
}
