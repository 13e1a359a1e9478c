/** TensorBoard's event files of a run: opening, appending, and cutting them where a training resumes. */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type AppendFile, cutFile, openAppendFile, readIfThere } from '../files/append-file.ts'
import { listNames } from '../files/atomic-write.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { recordsOf } from './record-frame.ts'
import {
  encodeEvent,
  type Hyperparameter,
  hparamsEnd,
  hparamsStart,
  readEvent,
  restartEvent,
  type Summary,
  startTag,
  versionEvent,
} from './tensorboard-events.ts'

export interface TensorBoardLog {
  readonly path: string
  /**
   * Appends one event. NaN and infinities are written unchanged; TensorBoard displays them.
   *
   * @param summaries - by tag, such as `train/loss`; numbers are scalars and stored as float32
   * @throws MoietyError `disk`; the file then ends with the event before
   */
  write(step: number, summaries: Readonly<Record<string, number | Summary>>): void
  /** Says that the training has come to its end, if anything was written. */
  end(step: number): void
  flush(): void
  close(): void
}

/** Where a training resumes. */
export interface TensorBoardResume {
  /** Training steps done in the checkpoint. */
  readonly step: number
  /** Batches of the epoch that are done: at 0 the summaries of the epoch before are written already. */
  readonly batch: number
}

export interface TensorBoardOptions {
  /** Later events of older files are cut off: they will be written again. */
  readonly resume?: TensorBoardResume | undefined
  /** What the training was configured with, for the dashboard HPARAMS; written once for a run. */
  readonly hyperparameters?: Readonly<Record<string, Hyperparameter>>
  readonly disk?: Disk
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const eventFile = /^events\.out\.tfevents\.(\d+)\./

/** Tags of what is written at every step begin with this; all others are written at the end of an epoch. */
export const stepTag = 'step/'

/**
 * Begins a new `events.out.tfevents.*` file in a run's folder, with the first event: a run that is resumed and has nothing left to do
 * gets none. Its name sorts after those that are there, even if the clock went back, because readers take the files in the order of
 * their names. With `resume`, what earlier files have after the checkpoint is cut off, so that all files together have every step
 * once; and for readers that have read it already the new file begins with a `START` after which they forget it.
 *
 * @throws MoietyError `disk`
 */
export function openTensorBoardLog(run: string, options: TensorBoardOptions = {}): TensorBoardLog {
  const { resume, hyperparameters, disk = nodeDisk, now = Date.now } = options
  const files = listNames(disk, run).filter(name => eventFile.test(name))
  const kept = resume === undefined ? [] : files.map(name => cutAfter(disk, join(run, name), resume))
  const stamps = files.map(name => Number(eventFile.exec(name)?.[1] ?? 0))
  const stamp = Math.max(Math.floor(now() / 1000), 1 + Math.max(0, ...stamps))
  const host = hostname().replace(/[^\w.-]/g, '-')
  const name = `events.out.tfevents.${String(stamp).padStart(10, '0')}.${host}.${process.pid}.0`
  const path = join(run, name)
  const seconds = (): number => now() / 1000
  let file: AppendFile | undefined
  const begun = (): AppendFile => {
    if (file !== undefined) return file
    file = openAppendFile(disk, path)
    const first = [versionEvent(seconds())]
    if (resume !== undefined) first.push(restartEvent(seconds(), resume.step + 1))
    if (!kept.some(({ isDescribed }) => isDescribed) && hyperparameters !== undefined)
      first.push(encodeEvent(seconds(), 0, hparamsStart(hyperparameters, seconds())))
    file.append(Buffer.concat(first))
    return file
  }
  return {
    path,
    write: (step, summaries) => begun().append(encodeEvent(seconds(), step, summaries)),
    end: step => {
      if (file !== undefined && hyperparameters !== undefined)
        file.append(encodeEvent(seconds(), step, hparamsEnd(seconds())))
    },
    flush: () => file?.flush(),
    close: () => file?.close(),
  }
}

/**
 * Cuts a file where the first event stands that was written after the checkpoint, or that is not whole. Returns whether what is left
 * has the configuration: the training may have been killed before it was written.
 */
function cutAfter(disk: Disk, path: string, resume: TensorBoardResume): { readonly isDescribed: boolean } {
  const bytes = readIfThere(disk, path, sizeLimits.metrics) ?? new Uint8Array()
  let kept = 0
  let isDescribed = false
  for (const { data, end } of recordsOf(bytes)) {
    const event = readEvent(data)
    if (!isBefore(event, resume)) break
    isDescribed ||= event.tags.includes(startTag)
    kept = end
  }
  if (kept < bytes.length) cutFile(disk, path, kept)
  return { isDescribed }
}

function isBefore({ step, tags }: ReturnType<typeof readEvent>, resume: TensorBoardResume): boolean {
  if (step !== resume.step) return step < resume.step
  return resume.batch === 0 || tags.every(tag => tag.startsWith(stepTag) || tag.startsWith('_'))
}
