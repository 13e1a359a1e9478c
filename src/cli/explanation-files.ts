import { join } from 'node:path'
import type { DetectorExplanation, Explanation, Findings } from '../explain/index.ts'
import { makeFolders, quietly, unfinished, writeCarefully, writeFlushed } from '../files/careful.ts'
import { attempt, type Disk, nodeDisk } from '../files/disk.ts'
import { chartFiles, renderDetectorReport, renderReport } from './engine.ts'

/**
 * Writes what was found out about a run into a folder: `routing.parquet`, `report.html` and `report.json`. All are written beside
 * their places before the first is moved: a full disk leaves the older ones as they were. `report.json` is moved last.
 *
 * @throws MoietyError `disk`
 */
export async function writeExplanation(
  folder: string,
  { findings, pictures, table }: Explanation,
  disk: Disk = nodeDisk,
): Promise<void> {
  const page = encode(await renderReport(findings, pictures))
  writeTogether(disk, folder, [
    { name: 'routing.parquet', bytes: table },
    { name: 'report.html', bytes: page },
    { name: 'report.json', bytes: encode(`${JSON.stringify(findings)}\n`) },
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
  const page = encode(await renderDetectorReport(explanation))
  writeTogether(disk, folder, [
    { name: 'routing.parquet', bytes: explanation.routing },
    { name: 'objects.parquet', bytes: explanation.objects },
    { name: 'report.html', bytes: page },
    { name: 'report.json', bytes: encode(`${JSON.stringify(explanation.findings)}\n`) },
  ])
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Writes files beside their places, then moves all, in their order. */
function writeTogether(
  disk: Disk,
  folder: string,
  contents: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): void {
  const files = contents.map(file => ({
    ...file,
    beside: join(folder, `${unfinished}${file.name}`),
    path: join(folder, file.name),
  }))
  makeFolders(disk, folder)
  try {
    for (const { beside, bytes } of files) writeFlushed(disk, beside, bytes)
    for (const { beside, path } of files)
      attempt(disk, 'move the finished file to', path, () => disk.rename(beside, path))
  } catch (cause) {
    for (const { beside } of files) quietly(() => disk.remove(beside))
    throw cause
  }
  attempt(disk, 'flush', folder, () => disk.flushFolder(folder))
}

/** Writes every chart that the findings have something for into a folder. @throws MoietyError `disk` */
export async function writeCharts(folder: string, findings: Findings, disk: Disk = nodeDisk): Promise<void> {
  makeFolders(disk, folder)
  for (const { name, svg } of await chartFiles(findings)) writeCarefully(disk, join(folder, name), svg)
}
