import { join } from 'node:path'
import { z } from 'zod'
import { MoietyError } from '../base/errors.ts'
import { readIfThere } from '../files/append-file.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { isJsonObject } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { withCurrentNames } from '../run/earlier-names.ts'
import type { Measures, NetworkCost } from '../run/events.ts'
import { layerStatsSchema, summarySchema } from '../run/file-schemas.ts'
import { lockOwner } from '../run/lock.ts'
import { scoreOf } from '../tasks/measures.ts'
import { createPlannedCheck, type PlannedCheck } from './identity.ts'
import type { Failure, RecordedRun } from './sweep-folder.ts'

/** Utilization of one mixture of experts of a finished run; null for NaN or infinite numbers. */
export interface LayerResult {
  readonly name: string
  readonly importance: readonly (number | null)[]
  readonly cvImportance: number | null
  readonly cvActivation: number | null
  readonly active: number | null
  /** The ranking measure with K = 1 … E, if the run has been explained since. */
  readonly byK: readonly number[] | null
}

/**
 * The outcome of a planned run, read from its folder. `altered`: the folder has another configuration than planned,
 * or a summary that cannot be read.
 */
export type Outcome =
  | {
      readonly status: 'done'
      /** On held-out images, by name, from 0 to 1. */
      readonly measures: Measures
      /** Of the training. */
      readonly seconds: number | null
      /** What an image takes; null where an earlier version trained. */
      readonly cost?: NetworkCost | null
      readonly layers: readonly LayerResult[]
    }
  | { readonly status: 'missing' | 'interrupted' | 'running' }
  | { readonly status: 'failed' | 'altered'; readonly message: string }

/** Possible states of a run. */
export type Status = Outcome['status']

const number = z.number().nullable()

/** The format of version 0.1: the numbers of a classifier at the top, those of a detector under `detection`. */
const earlier = z.object({
  top1: number,
  top5: number,
  detection: z.record(z.string(), number).nullable().default(null),
})

const layerSchema = layerStatsSchema.pick({
  name: true,
  importance: true,
  cvImportance: true,
  cvActivation: true,
  active: true,
})
const finishedSchema = summarySchema.pick({ measures: true, seconds: true, cost: true }).extend({
  interrupted: z.literal(false),
  layers: z.array(z.preprocess(withCurrentNames, layerSchema)),
})

const reportSchema = z.object({
  layers: z.array(
    z.object({
      name: z.string(),
      variants: z.object({ byK: z.array(z.object({ measures: z.record(z.string(), number) })) }),
    }),
  ),
})

/** A shared check is faster for many runs. */
interface LookOptions {
  readonly disk?: Disk
  readonly isPlanned?: PlannedCheck
}

/**
 * Reads the outcome from a run's folder, without changing it.
 *
 * @param failure - the last failure of this run in `failures.jsonl`
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
  // Read after the lock: a run that ends meanwhile writes its summary before it releases the lock.
  const summary = jsonIn(folder, 'summary.json', disk)
  if (summary !== undefined) {
    const parsed = finishedSchema.safeParse(withMeasures(summary))
    if (!parsed.success) return { status: 'altered', message: 'summary.json cannot be read' }
    const { measures, seconds, cost, layers } = parsed.data
    const byK = layers.length === 0 ? new Map<string, number[]>() : accuracyByK(folder, disk)
    return {
      status: 'done',
      measures,
      seconds,
      cost: cost ?? null,
      layers: layers.map(layer => ({ ...layer, byK: byK.get(layer.name) ?? null })),
    }
  }
  if (isRunning) return { status: 'running' }
  return beginning ?? { status: 'interrupted' }
}

function withMeasures(summary: unknown): unknown {
  const { data } = earlier.safeParse(summary)
  if (data === undefined || !isJsonObject(summary)) return summary
  const { top1, top5, detection } = data
  return { ...summary, measures: detection ?? { top1, top5 } }
}

/** `report.json`; null where it cannot be read: a table shows all other numbers of the run nevertheless. */
function reportIn(folder: string, disk: Disk): unknown {
  try {
    return jsonIn(folder, 'report.json', disk)
  } catch (error) {
    if (error instanceof MoietyError) return null
    throw error
  }
}

/** Accuracy by K of each layer, from `report.json`; empty where the run has not been explained. */
function accuracyByK(folder: string, disk: Disk): Map<string, number[]> {
  const parsed = reportSchema.safeParse(reportIn(folder, disk))
  if (!parsed.success) return new Map()
  return new Map(
    parsed.data.layers.map(({ name, variants }) => [
      name,
      variants.byK.flatMap(({ measures }) => scoreOf(measures)?.value ?? []),
    ]),
  )
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
