import { join } from 'node:path'
import { z } from 'zod'
import { readIfThere } from '../files/append-file.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { isJsonObject } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular.ts'
import { lockOwner } from '../run/lock.ts'
import { createPlannedCheck, type PlannedCheck } from './identity.ts'
import type { Failure, RecordedRun } from './sweep-folder.ts'

/** How one mixture of experts of a finished run shares its work; null where the number was none. */
export interface LayerResult {
  readonly name: string
  readonly importance: readonly (number | null)[]
  readonly cvImportance: number | null
  readonly cvActivation: number | null
  readonly living: number | null
  /** Accuracy with K = 1 … E, if the run has been explained since. */
  readonly byK: readonly number[] | null
}

/**
 * What has become of a planned run, as its folder says. `altered`: the folder holds another configuration than the planned,
 * or a summary that cannot be read.
 */
export type Outcome =
  | {
      readonly status: 'done'
      readonly top1: number | null
      readonly top5: number | null
      /** COCO's numbers of a detector; null of a classifier. */
      readonly detection: DetectionScores | null
      /** Of the training. */
      readonly seconds: number | null
      readonly layers: readonly LayerResult[]
    }
  | { readonly status: 'missing' | 'interrupted' | 'running' }
  | { readonly status: 'failed' | 'altered'; readonly message: string }

/** What a run can have come to. */
export type Status = Outcome['status']

const number = z.number().nullable()

const detectionSchema = z.object({
  AP: number,
  AP50: number,
  AP75: number,
  APs: number,
  APm: number,
  APl: number,
  AR100: number,
})

/** Of COCO's twelve numbers those that a table can show, from 0 to 1. */
export type DetectionScores = Readonly<z.output<typeof detectionSchema>>

const summarySchema = z.object({
  interrupted: z.literal(false),
  top1: number,
  top5: number,
  detection: detectionSchema.nullable().default(null),
  seconds: number,
  layers: z.array(
    z.object({
      name: z.string(),
      importance: z.array(number),
      cvImportance: number,
      cvActivation: number,
      living: number,
    }),
  ),
})

const reportSchema = z.object({
  layers: z.array(
    z.object({
      name: z.string(),
      variants: z.object({ byK: z.array(z.object({ top1: z.number() })) }),
    }),
  ),
})

/** For many runs one check is faster than one each. */
interface LookOptions {
  readonly disk?: Disk
  readonly isPlanned?: PlannedCheck
}

/**
 * Looks into a run's folder, and changes nothing there.
 *
 * @param failure - the last that `failures.jsonl` knows of this run
 * @throws MoietyError `disk` if a file that is there cannot be read
 */
export function outcomeOf(
  sweepFolder: string,
  run: Pick<RecordedRun, 'name' | 'hash'>,
  failure: Failure | undefined,
  { disk = nodeDisk, isPlanned = createPlannedCheck() }: LookOptions = {},
): Outcome {
  const folder = join(sweepFolder, run.name)
  const config = jsonIn(folder, 'config.json', disk)
  const beginning =
    failure === undefined ? undefined : { status: 'failed' as const, message: failure.message }
  if (config === undefined) return beginning ?? { status: 'missing' }
  if (!isJsonObject(config) || !isPlanned(run.hash, config))
    return { status: 'altered', message: 'config.json is not the planned configuration' }
  const isRunning = lockOwner(folder, disk) !== undefined
  // Read after the lock: a run that ends meanwhile has written its summary before it gives the lock free.
  const summary = jsonIn(folder, 'summary.json', disk)
  if (summary !== undefined) {
    const parsed = summarySchema.safeParse(summary)
    if (!parsed.success) return { status: 'altered', message: 'summary.json cannot be read' }
    const { top1, top5, detection, seconds, layers } = parsed.data
    const byK = layers.length === 0 ? new Map<string, number[]>() : accuracyByK(folder, disk)
    return {
      status: 'done',
      top1,
      top5,
      detection,
      seconds,
      layers: layers.map(layer => ({ ...layer, byK: byK.get(layer.name) ?? null })),
    }
  }
  if (isRunning) return { status: 'running' }
  return beginning ?? { status: 'interrupted' }
}

/** Accuracy by K of each layer, from `report.json`; empty where the run has not been explained. */
function accuracyByK(folder: string, disk: Disk): Map<string, number[]> {
  const parsed = reportSchema.safeParse(jsonIn(folder, 'report.json', disk))
  if (!parsed.success) return new Map()
  return new Map(parsed.data.layers.map(({ name, variants }) => [name, variants.byK.map(({ top1 }) => top1)]))
}

const limits = {
  'config.json': sizeLimits.config,
  'summary.json': sizeLimits.summary,
  'report.json': sizeLimits.report,
} as const

/** A JSON file; undefined where it is not there, null where it is not JSON. */
function jsonIn(folder: string, name: keyof typeof limits, disk: Disk): unknown {
  const bytes = readIfThere(disk, join(folder, name), limits[name])
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes)) ?? null
    return isTooDeep(value) ? null : value
  } catch {
    return null
  }
}
