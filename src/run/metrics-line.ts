import { isJsonObject } from '../files/json.ts'

/** One line; numbers may be NaN or infinite when it is written, and are null then when it is read. */
export interface MetricsLine {
  readonly kind: string
  /** Training steps done when the line was written. */
  readonly step: number
  /** Any JSON value, and arrays of floats. */
  readonly [member: string]: unknown
}

/** One line of JSON, without its line break: of the file, or of a stream of events. */
export function encodeLine(line: object): string {
  const nonFinite: [string, string][] = []
  const plain = (value: unknown, path: string): unknown => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      nonFinite.push([path, String(value)])
      return null
    }
    if (value instanceof Float32Array || value instanceof Float64Array) return plain([...value], path)
    if (Array.isArray(value)) return value.map((item, i) => plain(item, `${path}.${i}`))
    if (!isJsonObject(value)) return value
    return members(value, `${path}.`)
  }
  const members = (value: object, path: string): object =>
    Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member, `${path}${key}`)]))
  const written = members(line, '')
  return JSON.stringify(
    nonFinite.length === 0 ? written : { ...written, nonFinite: Object.fromEntries(nonFinite) },
  )
}
