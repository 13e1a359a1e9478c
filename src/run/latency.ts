import { join } from 'node:path'
import { z } from 'zod'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'
import { replaceFile } from '../files/replace-files.ts'

const latency = z.object({
  version: z.literal(1),
  /** Of one operation. */
  threads: z.number(),
  /** Each form was run once before, and then so many times, in turns with the others. */
  rounds: z.number(),
  processor: z.string(),
  /** Of ONNX Runtime. */
  runtime: z.string(),
  forms: z.array(
    z.object({
      /** `sparse`: any number of images, the chosen experts; `dense`: fixed shapes, all experts. */
      routing: z.enum(['sparse', 'dense']),
      /** Images at once. */
      batch: z.number(),
      /** Median over rounds of a run, in milliseconds, with the least and the most. */
      median: z.number(),
      least: z.number(),
      most: z.number(),
    }),
  ),
})

/** How long the exported file of a run takes: what `latency.json` in the run's folder holds. */
export type Latency = z.output<typeof latency>

const name = 'latency.json'

/** What was measured of a run; null where nothing was, or the file cannot be understood. */
export function readLatency(run: string): Latency | null {
  try {
    const bytes = readRegular(join(run, name), sizeLimits.config)
    return latency.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null
  } catch {
    return null
  }
}

/** @throws MoietyError `disk` */
export function writeLatency(run: string, measured: Latency, disk: Disk = nodeDisk): void {
  replaceFile(disk, join(run, name), `${JSON.stringify(measured, null, 2)}\n`)
}
