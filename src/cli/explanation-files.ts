import { join } from 'node:path'
import type { Explanation, Findings } from '../explain/index.ts'
import { makeFolders, writeCarefully } from '../files/careful.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { chartFiles, renderReport } from './engine.ts'

/**
 * Writes what was found out about a run into a folder: `routing.parquet`, `report.html` and, last, `report.json`, which whoever
 * reads the findings takes as the sign that the others are there.
 *
 * @throws MoietyError `disk`
 */
export async function writeExplanation(
  folder: string,
  { findings, pictures, table }: Explanation,
  disk: Disk = nodeDisk,
): Promise<void> {
  const page = await renderReport(findings, pictures)
  makeFolders(disk, folder)
  writeCarefully(disk, join(folder, 'routing.parquet'), table)
  writeCarefully(disk, join(folder, 'report.html'), page)
  writeCarefully(disk, join(folder, 'report.json'), `${JSON.stringify(findings)}\n`)
}

/** Writes every chart that the findings have something for into a folder. @throws MoietyError `disk` */
export async function writeCharts(folder: string, findings: Findings, disk: Disk = nodeDisk): Promise<void> {
  makeFolders(disk, folder)
  for (const { name, svg } of await chartFiles(findings)) writeCarefully(disk, join(folder, name), svg)
}
