import { join } from 'node:path'
import type { DetectorExplanation } from '../analysis/detection/explain-detector-run.ts'
import type { Explanation } from '../analysis/explain-run.ts'
import type { Findings } from '../analysis/findings.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { replaceFiles } from '../files/replace-files.ts'
import { renderDetectorReport } from '../report/detection/page.ts'
import { renderReport } from '../report/page.ts'
import { chartFiles } from '../report/single-charts.ts'

/**
 * Writes what was found out about a run into a folder: `routing.parquet`, `report.html` and `report.json`. They are
 * replaced together: a full disk leaves the older ones, and of two commands at once one leaves all files.
 *
 * @throws MoietyError `disk`
 */
export async function writeExplanation(
  folder: string,
  { findings, pictures, table }: Explanation,
  disk: Disk = nodeDisk,
): Promise<void> {
  const page = renderReport(findings, pictures)
  replaceFiles(disk, [
    { path: join(folder, 'routing.parquet'), bytes: table },
    { path: join(folder, 'report.html'), bytes: page },
    { path: join(folder, 'report.json'), bytes: `${JSON.stringify(findings)}\n` },
  ])
}

/**
 * The same of a detector, with `objects.parquet` beside `routing.parquet`.
 *
 * @throws MoietyError `disk`
 */
export async function writeDetectorExplanation(
  folder: string,
  explanation: DetectorExplanation,
  disk: Disk = nodeDisk,
): Promise<void> {
  const page = renderDetectorReport(explanation.findings, explanation.scenes)
  replaceFiles(disk, [
    { path: join(folder, 'routing.parquet'), bytes: explanation.routing },
    { path: join(folder, 'objects.parquet'), bytes: explanation.objects },
    { path: join(folder, 'report.html'), bytes: page },
    { path: join(folder, 'report.json'), bytes: `${JSON.stringify(explanation.findings)}\n` },
  ])
}

/** Writes every chart that the findings have something for into a folder. @throws MoietyError `disk` */
export async function writeCharts(folder: string, findings: Findings, disk: Disk = nodeDisk): Promise<void> {
  const charts = chartFiles(findings)
  replaceFiles(
    disk,
    charts.map(({ name, svg }) => ({ path: join(folder, name), bytes: svg })),
  )
}
