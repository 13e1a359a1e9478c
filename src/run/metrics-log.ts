/**
 * `metrics.jsonl`: one JSON object a line, appended and never rewritten. `kind` is `step`, `epoch` or another
 * event; every line has `step`, and a line about a whole epoch has `epoch`.
 *
 * JSON has no NaN and no infinity. Such a number is written as `null`, and the line gets a member `nonFinite`
 * that gives their values: `{"loss":null,"nonFinite":{"loss":"NaN"}}`, with paths as in `layers.0.cvImportance`.
 */
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { type AppendFile, cutFile, openAppendFile, readIfThere } from '../files/append-file.ts'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { isJsonObject } from '../files/json.ts'
import { isTooDeep } from '../files/json-text.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { encodeLine, type MetricsLine } from './metrics-line.ts'

export { encodeLine, type MetricsLine } from './metrics-line.ts'

/** Where training resumes, according to its checkpoint. */
export interface ResumePoint {
  /** Training steps done. */
  readonly step: number
  /** The epoch in which training resumes: the epoch's summary lines are not written yet. */
  readonly epoch: number
}

export interface MetricsLog {
  readonly path: string
  /** Appends one line. @throws MoietyError `disk`; the file then ends with the line before */
  write(line: MetricsLine): void
  /** To be called before a checkpoint is written, so that it never has more steps than the log. */
  flush(): void
  close(): void
}

/** The log of a run's folder. */
export function metricsPath(run: string): string {
  return join(run, 'metrics.jsonl')
}

/** One line of the file. */
interface FoundLine {
  /** From 1. */
  readonly number: number
  /** The offset after its line break, in bytes. */
  readonly end: number
  /** Undefined if it is not a line of this format. */
  readonly value: MetricsLine | undefined
}

function isMetricsLine(value: unknown): value is MetricsLine {
  return isJsonObject(value) && typeof value.kind === 'string' && Number.isSafeInteger(value.step)
}

function parseLine(bytes: Uint8Array): MetricsLine | undefined {
  if (bytes.length > sizeLimits.metricsLine) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return isMetricsLine(value) && !isTooDeep(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The lines of a file; what follows the last line break is a truncated line, and is not returned. */
function* linesOf(bytes: Uint8Array): Generator<FoundLine> {
  let begin = 0
  for (let number = 1; ; number++) {
    const lineBreak = bytes.indexOf(0x0a, begin)
    if (lineBreak < 0) return
    yield { number, end: lineBreak + 1, value: parseLine(bytes.subarray(begin, lineBreak)) }
    begin = lineBreak + 1
  }
}

function refuseLine(path: string, number: number): never {
  return fail({
    kind: 'disk',
    message: `${path}: line ${number} is not a JSON object with kind and step`,
    where: `${path}, line ${number}`,
    help: 'the file was changed or damaged; remove that line',
  })
}

/**
 * The lines of a log, also while it is written: a truncated last line is ignored.
 *
 * @throws MoietyError `disk` that names a malformed line by its number, or if the file cannot be read; `data` if there is none
 */
export function readMetrics(path: string, disk: Disk = nodeDisk): MetricsLine[] {
  let before: Uint8Array | undefined
  for (;;) {
    const bytes = readIfThere(disk, path, sizeLimits.metrics)
    if (bytes === undefined) {
      return fail({
        kind: 'data',
        message: `there is no ${path}`,
        where: path,
        help: "pass the folder of a run, such as moiety train's --out",
      })
    }
    const lines = [...linesOf(bytes)]
    const malformed = lines.find(({ value }) => value === undefined)
    if (malformed === undefined) return lines.flatMap(({ value }) => value ?? [])
    // Concurrent truncation and appending can mix two lines; real damage is the same when read again.
    const { number, end } = malformed
    if (before !== undefined && areEqual(before.subarray(0, end), bytes.subarray(0, end)))
      refuseLine(path, number)
    before = bytes
  }
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** Whether a line was written before the checkpoint that training resumes from. */
function isBefore(line: MetricsLine, { step, epoch }: ResumePoint): boolean {
  if (line.step !== step) return line.step < step
  return line.kind === 'step' || typeof line.epoch !== 'number' || line.epoch < epoch
}

/** How many bytes of the log were written before the checkpoint. */
function lengthBefore(path: string, bytes: Uint8Array, point: ResumePoint): number {
  let kept = 0
  let malformed: number | undefined
  for (const { number, end, value } of linesOf(bytes)) {
    if (value === undefined) {
      // After the checkpoint, a power cut may leave anything; before it, all was flushed, so errors are damage.
      malformed ??= number
      continue
    }
    if (!isBefore(value, point)) break
    if (malformed !== undefined) refuseLine(path, malformed)
    kept = end
  }
  return kept
}

/**
 * Opens the log of a run. With `resume`, lines that were written after that checkpoint, and a truncated last line,
 * are removed first: they will be written again. So the log of an interrupted training equals that of an
 * uninterrupted one in everything but durations. Without `resume` the log starts empty.
 *
 * @param run - the run's folder; only the holder of its lock may write
 * @throws MoietyError `disk`, also for a malformed line among those to keep, which is named
 */
export function openMetricsLog(
  run: string,
  { resume, disk = nodeDisk }: { readonly resume?: ResumePoint; readonly disk?: Disk } = {},
): MetricsLog {
  const path = metricsPath(run)
  const bytes = readIfThere(disk, path, sizeLimits.metrics)
  if (bytes !== undefined) {
    const kept = resume === undefined ? 0 : lengthBefore(path, bytes, resume)
    if (kept < bytes.length) cutFile(disk, path, kept)
  }
  const file: AppendFile = openAppendFile(disk, path)
  return {
    path,
    write: line => file.append(`${encodeLine(line)}\n`),
    flush: () => file.flush(),
    close: () => file.close(),
  }
}
