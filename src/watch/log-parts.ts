import { readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { MetricsLine } from '../run/metrics-line.ts'
import { bytesAt, parseLogLine } from './log-reader.ts'

/** Bytes that are read at a place to find a line there; a longer line is read whole. */
const window = 4096
const longest = 1 << 20

/** Parts of a log without all of it: its end, single steps, a range of steps. */

/** A line that begins at or after a place. */
interface PlacedLine {
  readonly line: MetricsLine
  readonly at: number
}

/**
 * The first line about a step that begins at or after a place, except that at 0 the first line begins there.
 *
 * @param end - where to stop looking
 */
function stepAfter({ fd }: FileHandle, position: number, end: number): PlacedLine | undefined {
  for (let length = window; length <= longest; length *= 4) {
    // At once: so small a part takes less time than waiting for it does.
    const bytes = Buffer.allocUnsafe(Math.min(length, end - position))
    if (readSync(fd, bytes, 0, bytes.length, position) < bytes.length) return undefined
    let begin = position === 0 ? 0 : bytes.indexOf(0x0a) + 1
    if (position > 0 && begin === 0) {
      if (bytes.length < length) return undefined
      continue
    }
    for (let to = bytes.indexOf(0x0a, begin); to >= 0; to = bytes.indexOf(0x0a, begin)) {
      const line = parseLogLine(bytes.toString('utf8', begin, to))
      if (line?.kind === 'step') return { line, at: position + begin }
      begin = to + 1
    }
    if (bytes.length < length) return undefined
  }
  return undefined
}

/** Lines about steps at places that are evenly spread over the file, the first and the last among them; each once, in their order. */
export async function sampleSteps(file: FileHandle, count: number): Promise<MetricsLine[]> {
  const { size } = await file.stat()
  const places = Array.from({ length: count }, (_, i) => Math.floor((i * size) / count))
  const placed = places.map(place => stepAfter(file, place, size))
  const { step } = await readEnd(file, size)
  const found: MetricsLine[] = []
  for (const line of [...placed.map(one => one?.line), step])
    if (line !== undefined && line.step > (found.at(-1)?.step ?? -1)) found.push(line)
  return found
}

/**
 * Calls `onLine` with each line about a step from `from` to `to`. The place is found by bisection, since steps ascend.
 *
 * @param most - bytes that are read at most
 * @returns whether all of them were read
 */
export async function readSteps(
  file: FileHandle,
  { from, to, most }: { readonly from: number; readonly to: number; readonly most: number },
  onLine: (line: MetricsLine) => void,
): Promise<boolean> {
  const { size } = await file.stat()
  let [low, high] = [0, size]
  while (high - low > window) {
    const middle = Math.floor((low + high) / 2)
    const placed = stepAfter(file, middle, size)
    if (placed === undefined || placed.line.step >= from) high = middle
    else low = middle
  }
  const chunk = 1 << 20
  let position = low
  let isFirst = low > 0
  while (position < size && position - low < most) {
    let bytes = await bytesAt(file, position, chunk)
    let end = bytes.lastIndexOf(0x0a) + 1
    if (end === 0 && bytes.length === chunk) {
      bytes = await bytesAt(file, position, 16 * chunk)
      end = bytes.lastIndexOf(0x0a) + 1
    }
    if (end === 0) return true
    let begin = isFirst ? bytes.indexOf(0x0a) + 1 : 0
    isFirst = false
    while (begin < end) {
      const until = bytes.indexOf(0x0a, begin)
      const line = parseLogLine(bytes.toString('utf8', begin, until))
      begin = until + 1
      if (line?.kind !== 'step' || line.step < from) continue
      if (line.step > to) return true
      onLine(line)
    }
    position += end
  }
  return position >= size
}

/** The end of a log. */
export interface LogEnd {
  /** The last line about a step. */
  readonly step: MetricsLine | undefined
  /** The newest lines about epochs and alarms, in their order. */
  readonly others: readonly MetricsLine[]
}

/** Bytes in which the last line is looked for, and in which the search goes back. */
const [tail, stride] = [1 << 16, 1 << 18]

/** The end. It looks back until it has found the test of an epoch, through `farthest` bytes at most. */
export async function readEnd(file: FileHandle, size: number, farthest = 0): Promise<LogEnd> {
  const from = Math.max(0, size - tail)
  const last = await bytesAt(file, from, size - from)
  const step = lastStep(last, from === 0)
  let others = othersIn(last)
  for (let to = from; !others.some(isTest) && to > 0 && size - to < farthest; ) {
    const begin = Math.max(0, to - stride)
    // Beyond `to`, so that a line across it is whole; a line that begins there is known already.
    const bytes = await bytesAt(file, begin, Math.min(size, to + tail) - begin)
    others = [...othersIn(bytes, to - begin), ...others]
    to = begin
  }
  return { step, others }
}

const isTest = ({ kind, split }: MetricsLine): boolean => kind === 'epoch' && split !== 'train'

function lastStep(bytes: Buffer, isFromStart: boolean): MetricsLine | undefined {
  let end = bytes.lastIndexOf(0x0a)
  while (end > 0) {
    const before = bytes.lastIndexOf(0x0a, end - 1)
    if (before < 0 && !isFromStart) return undefined
    const line = parseLogLine(bytes.toString('utf8', before + 1, end))
    if (line?.kind === 'step') return line
    end = before
  }
  return undefined
}

/** Lines about epochs and alarms that begin before `until`, found by how Moiety begins them: a log has few. */
function othersIn(bytes: Buffer, until = bytes.length): MetricsLine[] {
  const places = ['{"kind":"epoch"', '{"kind":"alarm"'].flatMap(beginning => {
    const found: number[] = []
    for (let at = bytes.indexOf(beginning); at >= 0 && at < until; at = bytes.indexOf(beginning, at + 1))
      found.push(at)
    return found
  })
  return places
    .toSorted((a, b) => a - b)
    .flatMap(at => {
      const end = bytes.indexOf(0x0a, at)
      const line = end < 0 ? undefined : parseLogLine(bytes.toString('utf8', at, end))
      return line ?? []
    })
}
