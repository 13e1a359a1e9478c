/** How numbers, bars and text look on a terminal of 80 columns. Pure; colours come from {@link painter}. */
export const columns = 80

/** Styles that are either applied or left out, as a stream can show them. */
export interface Paint {
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  warn(text: string): string
  bad(text: string): string
}

/** A stream as far as colours and the live line need to know it. */
export interface Screen {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  hasColors?(): boolean
  write(text: string): unknown
}

/** Colours for a terminal that has them; `NO_COLOR` and `TERM=dumb` are respected by Node's `hasColors`. */
export function painter(stream: Screen): Paint {
  const colours = stream.isTTY === true && stream.hasColors?.() === true
  const style =
    (on: number, off: number) =>
    (text: string): string =>
      colours ? `\u001b[${on}m${text}\u001b[${off}m` : text
  return {
    bold: style(1, 22),
    dim: style(2, 22),
    good: style(32, 39),
    warn: style(33, 39),
    bad: style(31, 39),
  }
}

/** 0.7134 → "71.3 %" */
export function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`
}

/** Seconds as a person says them: "42 s", "1 min 05 s", "2 h 03 min". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  const pad = (value: number) => String(value).padStart(2, '0')
  return minutes < 60
    ? `${minutes} min ${pad(whole % 60)} s`
    : `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`
}

/** Seconds in few columns: "1:23", "2:03:04". */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?'
  const whole = Math.max(0, Math.round(seconds))
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}

/** 11220132 → "11.2 M" */
export function count(value: number): string {
  if (value < 1000) return String(Math.round(value))
  if (value < 999_500) return `${(value / 1e3).toPrecision(3)} k`
  return `${(value / 1e6).toFixed(value < 99_950_000 ? 1 : 0)} M`
}

/** Bytes with binary units: "1.5 GiB". */
export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)))
  return `${(value / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'] as const

/** A horizontal bar of at most `width` columns, exact to an eighth of a column and padded to the width. */
export function bar(fraction: number, width: number): string {
  const clamped = Number.isFinite(fraction) ? Math.min(1, Math.max(0, fraction)) : 0
  const parts = Math.round(clamped * width * 8)
  return ('█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]).padEnd(width)
}

const heights = '▁▂▃▄▅▆▇█'
const mostBars = 16

/**
 * One small bar an expert. An equal share is half the height, a dead expert the lowest line, twice an equal share
 * or more is full: balance is seen as a level line whatever the number of experts.
 */
export function smallBars(shares: readonly number[]): string {
  const bars = shares.slice(0, mostBars).map(share => {
    const height = Math.round(share * shares.length * 4) - 1
    return heights[Math.min(7, Math.max(0, Number.isFinite(height) ? height : 0))]!
  })
  return bars.join('') + (shares.length > mostBars ? '…' : '')
}

/** Text from files, made harmless for a terminal: characters that are not seen are shown as escapes. */
export { visible as clean } from '../base/escaping.ts'

/** Cut to a number of columns, with an ellipsis where something is missing. */
export function truncate(text: string, width: number): string {
  const letters = [...text]
  return letters.length <= width ? text : `${letters.slice(0, Math.max(0, width - 1)).join('')}…`
}

/** Text broken at spaces into lines of at most `width` columns, each begun with `indent`. */
export function wrap(text: string, indent = '', width = columns): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(Boolean)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(indent + line)
  return lines.join('\n')
}
