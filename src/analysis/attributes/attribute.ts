import { inOrder } from '../../data/tables/label-file.ts'

/** What an image has of a column; null where it is not known. */
export type Value = string | number | boolean | null

/** A property of whole images that divides them into groups. */
export interface Attribute {
  readonly name: string
  /** Measured in the pixels, or given in a file. */
  readonly source: 'image' | 'given'
  /** Of the groups; each holds an image. */
  readonly groups: readonly string[]
  /** The group of each image; −1 where its value is not known. */
  readonly of: Int32Array
}

/** Groups of a numeric attribute with more different values than these: fifths. */
const parts = 5
/** Different texts of a column; more are no groups but names. */
export const mostCategories = 256

/**
 * The attribute of a column: categories in the order of their names; numbers, where there are more than five different ones, by
 * fifths, else each a group. A column is of numbers if all that is known in it are.
 *
 * @returns undefined for more than 256 categories
 */
export function attributeOf(
  name: string,
  source: Attribute['source'],
  values: readonly Value[],
): Attribute | undefined {
  const known = values.filter(value => value !== null)
  const numbers = known.map(numberOf)
  if (known.length > 0 && numbers.every(Number.isFinite)) return numeric(name, source, values.map(numberOf))
  const texts = known.map(String)
  const groups = inOrder(texts)
  if (groups.length > mostCategories) return undefined
  const place = new Map(groups.map((group, at) => [group, at]))
  return { name, source, groups, of: Int32Array.from(values, value => place.get(String(value)) ?? -1) }
}

/** NaN for what is no number; null is none either. */
function numberOf(value: Value): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

/** Numbers by fifths; NaN for one that is not known. */
export function numeric(name: string, source: Attribute['source'], values: readonly number[]): Attribute {
  const known = values.filter(value => !Number.isNaN(value))
  const different = [...new Set(known)].sort((a, b) => a - b)
  const bounds = different.length <= parts ? different.slice(1) : quantileBounds(known, parts)
  const texts = different.length <= parts ? different.map(String) : intervalNames(bounds)
  return {
    ...{ name, source },
    groups: known.length === 0 ? [] : texts,
    of: Int32Array.from(values, value => (Number.isNaN(value) ? -1 : placeAmong(bounds, value))),
  }
}

/**
 * Bounds of so many groups of about equal size: with x the sorted values, x[⌊q·n/parts⌋] for q = 1 … parts − 1, without the
 * least value and without repetitions. A value belongs to the group of the last bound that is not above it, so equal values
 * are always together.
 */
export function quantileBounds(values: readonly number[], count: number): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  const bounds = Array.from(
    { length: count - 1 },
    (_, q) => sorted[Math.floor(((q + 1) * sorted.length) / count)]!,
  )
  return [...new Set(bounds)].filter(bound => bound > sorted[0]!)
}

/** How many bounds are not above a value. */
export function placeAmong(bounds: readonly number[], value: number): number {
  return bounds.filter(bound => bound <= value).length
}

/** With as many digits as make the bounds different. */
function intervalNames(bounds: readonly number[]): string[] {
  let shown = bounds.map(String)
  for (let digits = 3; digits < 17; digits++) {
    const rounded = bounds.map(bound => String(Number(bound.toPrecision(digits))))
    if (new Set(rounded).size < bounds.length) continue
    shown = rounded
    break
  }
  if (shown.length === 0) return ['all']
  return [
    `below ${shown[0]}`,
    ...shown.slice(1).map((bound, at) => `${shown[at]} to ${bound}`),
    `from ${shown.at(-1)}`,
  ]
}
