/**
 * The folder of a sweep: `sweep.json` (what was planned), one folder a run, `logs/`, `failures.jsonl` (or one a machine). The outcome of a
 * run is recorded only in its own folder, so a sweep that was killed at any instant can be resumed.
 */

import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { fail } from '../base/errors.ts'
import type { Recipe } from '../config/recipe.ts'
import { openAppendFile, readIfThere } from '../files/append-file.ts'
import { listNames, makeFolders, writeAtomically } from '../files/atomic-write.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import type { Json } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'
import type { SweepPlan } from './plan-sweep.ts'
import type { Sweep } from './sweep-file.ts'

const json: z.ZodType<Json> = z.json()
const values = z.record(z.string(), json)

/** A run's name, which is also that of its folder. */
export const runName = z.string().regex(/^[\w.+-]{1,300}$/)

const recordSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  title: z.string(),
  description: z.string(),
  recipe: z.string(),
  axes: z.array(z.object({ label: z.string(), key: z.string(), values: z.array(json) })),
  seeds: z.array(z.int()),
  baseline: values.nullable(),
  runs: z.array(
    z.object({
      name: runName,
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      seed: z.int(),
      values,
    }),
  ),
})

/** What `sweep.json` holds: the plan, without configurations, which are in the runs' folders. */
export type SweepRecord = Readonly<z.output<typeof recordSchema>>

/** One planned run as `sweep.json` has it. */
export type RecordedRun = SweepRecord['runs'][number]

/** The record of a plan. */
export function recordOf(sweep: Sweep, recipe: Recipe, plan: SweepPlan): SweepRecord {
  const { name, title, description, seeds } = sweep
  const labelOf = (text: string): string => plan.axes.find(({ key }) => key === text)?.label ?? text
  return {
    format: 1,
    name,
    title,
    description,
    recipe: recipe.name,
    axes: plan.axes.map(({ label, key, values: all }) => ({ label, key, values: [...all] })),
    seeds,
    baseline:
      sweep.baseline === null
        ? null
        : Object.fromEntries(Object.entries(sweep.baseline).map(([key, value]) => [labelOf(key), value])),
    runs: plan.runs.map(run => ({
      name: run.name,
      hash: run.hash,
      seed: run.seed,
      values: { ...run.values },
    })),
  }
}

/** Writes `sweep.json`. @throws MoietyError `disk` */
export function writeRecord(folder: string, record: SweepRecord, disk: Disk = nodeDisk): void {
  makeFolders(disk, folder)
  writeAtomically(disk, join(folder, 'sweep.json'), `${JSON.stringify(record, null, 1)}\n`)
}

/** `sweep.json`, or undefined where there is none. @throws MoietyError `disk`, also if it is damaged */
export function readRecord(folder: string, disk: Disk = nodeDisk): SweepRecord | undefined {
  const file = join(folder, 'sweep.json')
  const bytes = readIfThere(disk, file, sizeLimits.sweepRecord)
  if (bytes === undefined) return undefined
  const parsed = recordSchema.safeParse(jsonOf(bytes))
  if (parsed.success) return parsed.data
  return fail({
    kind: 'disk',
    message: `${file} is not what moiety sweep writes`,
    where: file,
    help: 'it was changed or damaged; `moiety sweep FILE` with this --out rewrites it once it is removed',
  })
}

/** The sweep that a folder holds. @throws MoietyError `usage` where there is none, `disk` */
export function requireRecord(folder: string, disk: Disk = nodeDisk): SweepRecord {
  return (
    readRecord(folder, disk) ??
    fail({
      kind: 'usage',
      message: 'this is not a sweep: expected a folder with sweep.json',
      where: folder,
      help: '`moiety sweep` prints its folder at the end',
    })
  )
}

const failureSchema = z.object({
  run: z.string(),
  exitCode: z.int().nullable(),
  signal: z.string().nullable(),
  message: z.string(),
  attempt: z.int(),
  when: z.string(),
})

/** One line of `failures.jsonl`: a training that failed. */
export type Failure = Readonly<z.output<typeof failureSchema>>

const failuresName = /^failures(\.[\w-]+)?\.jsonl$/

/**
 * Adds a line to `failures.jsonl`.
 *
 * @param machine - where several machines write, each has its own file
 * @throws MoietyError `disk`
 */
export function writeFailure(
  folder: string,
  failure: Failure,
  { machine, disk = nodeDisk }: { readonly machine?: string; readonly disk?: Disk } = {},
): void {
  const name = machine === undefined ? '' : `.${machine.replace(/[^\w-]/g, '-')}`
  const file = openAppendFile(disk, join(folder, `failures${name}.jsonl`))
  try {
    file.append(`${JSON.stringify(failure)}\n`)
  } finally {
    file.close()
  }
}

/** The last failure of each run that ever failed; unreadable lines, such as a truncated last one, are skipped. */
export function readFailures(folder: string, disk: Disk = nodeDisk): ReadonlyMap<string, Failure> {
  const last = new Map<string, Failure>()
  for (const name of listNames(disk, folder).filter(other => failuresName.test(other))) {
    const bytes = readIfThere(disk, join(folder, name), sizeLimits.sweepRecord)
    for (const line of bytes === undefined ? [] : new TextDecoder().decode(bytes).split('\n')) {
      const parsed = failureSchema.safeParse(jsonOf(line))
      if (!parsed.success) continue
      const before = last.get(parsed.data.run)
      if (before === undefined || before.when <= parsed.data.when) last.set(parsed.data.run, parsed.data)
    }
  }
  return last
}

const queueSchema = z.object({ format: z.literal(1), id: z.uuid() })

/** The id of a sweep's folder, by which a queue knows it on every machine; undefined where it was never queued. */
export function readQueueId(folder: string, disk: Disk = nodeDisk): string | undefined {
  const bytes = readIfThere(disk, join(folder, 'queue.json'), sizeLimits.queue)
  const parsed = queueSchema.safeParse(bytes === undefined ? undefined : jsonOf(bytes))
  return parsed.success ? parsed.data.id : undefined
}

/** The same, made where there is none. @throws MoietyError `disk` */
export function requireQueueId(folder: string, disk: Disk = nodeDisk): string {
  const before = readQueueId(folder, disk)
  if (before !== undefined) return before
  const id = randomUUID()
  writeAtomically(disk, join(folder, 'queue.json'), `${JSON.stringify({ format: 1, id })}\n`)
  return id
}

function jsonOf(content: Uint8Array | string): unknown {
  try {
    const value: unknown = JSON.parse(
      typeof content === 'string' ? content : new TextDecoder().decode(content),
    )
    return isTooDeep(value) ? undefined : value
  } catch {
    return undefined
  }
}
