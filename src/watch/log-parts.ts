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
async function stepAfter(file: FileHandle, position: number, end: number): Promise<PlacedLine | undefined> {
  for (let length = window; length <= longest; length *= 4) {
    const bytes = await bytesAt(file, position, Math.min(length, end - position))
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
  const found: MetricsLine[] = []
  let reached = -1
  for (let i = 0; i < count; i++) {
    const position = Math.floor((i * size) / count)
    if (position < reached) continue
    const placed = await stepAfter(file, position, size)
    if (placed === undefined || placed.at <= reached) continue
    reached = placed.at
    if (placed.line.step > (found.at(-1)?.step ?? -1)) found.push(placed.line)
  }
  const { steps } = await readEnd(file, size)
  for (const line of steps) if (line.step > (found.at(-1)?.step ?? -1)) found.push(line)
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
    const placed = await stepAfter(file, middle, size)
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
  /** The last lines about steps. */
  readonly steps: readonly MetricsLine[]
  /** The newest lines of other kinds, in their order. */
  readonly others: readonly MetricsLine[]
}

/**
 * The last lines. It looks back until it has found the test of an epoch, through `farthest` bytes at most.
 */
export async function readEnd(file: FileHandle, size: number, farthest = 0): Promise<LogEnd> {
  const length = Math.min(size, 1 << 16)
  const last = linesIn(await bytesAt(file, size - length, length), size === length)
  const steps = last.filter(({ kind }) => kind === 'step')
  let others = last.filter(({ kind }) => kind !== 'step')
  const isTest = ({ kind, split }: MetricsLine): boolean => kind === 'epoch' && split !== 'train'
  const chunk = 1 << 20
  for (let to = size - length; !others.some(isTest) && to > 0 && size - to < farthest; ) {
    const from = Math.max(0, to - chunk)
    // Beyond `to`, so that a line across it is whole.
    const bytes = await bytesAt(file, from, Math.min(size, to + (1 << 16)) - from)
    others = [...otherLinesIn(bytes), ...others]
    to = from
  }
  return { steps, others }
}

function linesIn(bytes: Buffer, isFromStart: boolean): MetricsLine[] {
  const begin = isFromStart ? 0 : bytes.indexOf(0x0a) + 1
  const text = bytes.toString('utf8', begin, bytes.lastIndexOf(0x0a) + 1)
  return text.split('\n').flatMap(line => parseLogLine(line) ?? [])
}

/** Lines that are not about steps, found by how Moiety begins them: a log has few. */
function otherLinesIn(bytes: Buffer): MetricsLine[] {
  const found: MetricsLine[] = []
  const beginning = '{"kind":"'
  for (let at = bytes.indexOf(beginning); at >= 0; at = bytes.indexOf(beginning, at + 1)) {
    if (at > 0 && bytes[at - 1] !== 0x0a) continue
    if (bytes.toString('latin1', at + beginning.length, at + beginning.length + 5) === 'step"') continue
    const end = bytes.indexOf(0x0a, at)
    const line = end < 0 ? undefined : parseLogLine(bytes.toString('utf8', at, end))
    if (line !== undefined) found.push(line)
  }
  return found
}
