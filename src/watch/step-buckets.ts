import type { Curve } from './protocol.ts'

/** How the values of a bucket become one: their mean with the smallest and largest, their mean alone, or the last. */
export type Kind = 'range' | 'mean' | 'last'

const none = Number.NaN

class Column {
  mean: Float64Array
  count: Uint32Array
  min: Float32Array | undefined
  max: Float32Array | undefined

  constructor(
    readonly kind: Kind,
    size: number,
  ) {
    this.mean = new Float64Array(size).fill(none)
    this.count = new Uint32Array(size)
    if (kind === 'range') {
      this.min = new Float32Array(size).fill(none)
      this.max = new Float32Array(size).fill(none)
    }
  }

  put(at: number, value: number): void {
    const count = this.count[at]!
    this.count[at] = count + 1
    if (this.kind === 'last' || count === 0) this.mean[at] = value
    else this.mean[at]! += (value - this.mean[at]!) / (count + 1)
    if (this.min === undefined || this.max === undefined) return
    this.min[at] = count === 0 ? value : Math.min(this.min[at]!, value)
    this.max[at] = count === 0 ? value : Math.max(this.max[at]!, value)
  }

  grow(size: number): void {
    const grown = <T extends Float32Array | Float64Array>(values: T, old: T): T => {
      values.fill(none)
      values.set(old)
      return values
    }
    const count = new Uint32Array(size)
    count.set(this.count)
    this.count = count
    this.mean = grown(new Float64Array(size), this.mean)
    this.min = this.min && grown(new Float32Array(size), this.min)
    this.max = this.max && grown(new Float32Array(size), this.max)
  }

  /** Makes one bucket of each two. */
  halve(): void {
    const { mean, count, min, max } = this
    for (let to = 0; to < count.length; to++) {
      const [a, b] = [2 * to, 2 * to + 1]
      const [left, right] = [count[a] ?? 0, count[b] ?? 0]
      count[to] = left + right
      if (right === 0) mean[to] = mean[a] ?? none
      else if (left === 0 || this.kind === 'last') mean[to] = mean[b]!
      else mean[to] = (mean[a]! * left + mean[b]! * right) / (left + right)
      if (min !== undefined && max !== undefined) {
        min[to] = left === 0 ? (min[b] ?? none) : right === 0 ? min[a]! : Math.min(min[a]!, min[b]!)
        max[to] = left === 0 ? (max[b] ?? none) : right === 0 ? max[a]! : Math.max(max[a]!, max[b]!)
      }
    }
  }

  forget(from: number): void {
    for (const values of [this.mean, this.min, this.max]) values?.fill(none, from)
    this.count.fill(0, from)
  }

  get bytes(): number {
    return this.count.length * (this.kind === 'range' ? 20 : 12)
  }
}

/** Columns a run may have; a log that has more is none of Moiety's. */
const mostColumns = 4096

/**
 * Numbers over steps in a bounded number of buckets. A bucket holds `width` steps, a power of two, which doubles whenever there would
 * be too many buckets: so memory does not grow with the length of a training, and no extreme value is lost.
 */
export class StepBuckets {
  width = 1
  /** Buckets up to the last that has something. */
  length = 0
  readonly #columns = new Map<string, Column>()
  #last: Float64Array
  #size: number

  /**
   * @param most - buckets at most; a power of two
   * @param origin - the step at which the first bucket begins
   */
  constructor(
    readonly most: number,
    readonly origin = 0,
  ) {
    this.#size = Math.min(64, most)
    this.#last = new Float64Array(this.#size)
  }

  /** The bucket of a step, made if it is not there; to be called before {@link put}. */
  at(step: number): number {
    while (Math.floor((step - this.origin) / this.width) >= this.most) this.#halve()
    const bucket = Math.floor((step - this.origin) / this.width)
    if (bucket >= this.#size) this.#grow(bucket)
    this.length = Math.max(this.length, bucket + 1)
    this.#last[bucket] = Math.max(this.#last[bucket]!, step)
    return bucket
  }

  put(bucket: number, name: string, kind: Kind, value: number): void {
    let column = this.#columns.get(name)
    if (column === undefined) {
      if (this.#columns.size >= mostColumns) return
      column = new Column(kind, this.#size)
      this.#columns.set(name, column)
    }
    column.put(bucket, value)
  }

  /** Forgets a step and later ones: they are taken again. Of a bucket that began before, what was in it stays. */
  rewind(step: number): void {
    const from = Math.max(0, Math.ceil((step - this.origin) / this.width))
    if (from >= this.length) return
    for (const column of this.#columns.values()) column.forget(from)
    this.#last.fill(0, from)
    this.length = from
  }

  get names(): readonly string[] {
    return [...this.#columns.keys()]
  }

  /** Numbers of the buckets from `since` that have a step. */
  filled(since = 0): number[] {
    const found: number[] = []
    for (let bucket = since; bucket < this.length; bucket++) if (this.#last[bucket]! > 0) found.push(bucket)
    return found
  }

  /** The last step of each bucket. */
  steps(buckets: readonly number[]): number[] {
    return buckets.map(bucket => this.#last[bucket]!)
  }

  /** A column's values; rounded to six digits, which no screen can tell from the rest. */
  curve(name: string, buckets: readonly number[]): Curve | undefined {
    const column = this.#columns.get(name)
    if (column === undefined) return undefined
    const { min, max } = column
    const mean = rounded(column.mean, buckets)
    if (this.width === 1 || min === undefined || max === undefined) return { mean }
    return { mean, min: rounded(min, buckets), max: rounded(max, buckets) }
  }

  /** Memory of the values. */
  get bytes(): number {
    let sum = this.#last.byteLength
    for (const column of this.#columns.values()) sum += column.bytes
    return sum
  }

  #grow(bucket: number): void {
    while (this.#size <= bucket) this.#size *= 2
    for (const column of this.#columns.values()) column.grow(this.#size)
    const last = new Float64Array(this.#size)
    last.set(this.#last)
    this.#last = last
  }

  #halve(): void {
    for (const column of this.#columns.values()) column.halve()
    const last = this.#last
    for (let to = 0; to < last.length; to++) last[to] = Math.max(last[2 * to] ?? 0, last[2 * to + 1] ?? 0)
    this.width *= 2
    this.length = Math.ceil(this.length / 2)
  }
}

function rounded(values: Float32Array | Float64Array, buckets: readonly number[]): (number | null)[] {
  return buckets.map(bucket => {
    const value = values[bucket]!
    return Number.isNaN(value) ? null : Number(value.toPrecision(6))
  })
}
