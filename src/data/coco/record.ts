import { fail } from '../../base/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../files/json.ts'
import { excerpt } from '../../files/json-text.ts'
import type { Box } from '../box.ts'

export type { Box } from '../box.ts'

/** An id as lenient reading has it. */
export type RecordKey = number | string | null

/**
 * One record of a file in COCO's format. Every method reads a member and throws a `MoietyError` of kind `data` that
 * names the file, the record and the member, if it is not what it should be.
 */
export class CocoRecord {
  readonly #file: string
  readonly #path: string
  readonly #members: JsonObject

  /** @param path - of the record within the file, as `annotations[17]` */
  constructor(file: string, path: string, value: unknown) {
    this.#file = file
    this.#path = path
    if (!isJsonObject(value)) {
      fail({
        kind: 'data',
        message: `expected an object, got ${excerpt(value)}`,
        where: `${file}, ${path}`,
        help: 'the file is of another format; docs/reference/detection-evaluation.md shows what is expected',
      })
    }
    this.#members = value
  }

  /** A whole number: COCO's ids. */
  id(name: string): number {
    const value = this.#required(name)
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    return this.refuse(name, `expected a whole number, got ${excerpt(value)}`, 'ids are numbers, not strings')
  }

  /** The id of a record that may be text, or null where there is none: `"42"` is the number 42. */
  key(name: string): RecordKey {
    const value = this.value(name)
    if (typeof value !== 'string') return value === null ? null : this.id(name)
    return /^-?\d{1,15}$/.test(value.trim()) ? Number(value) : value
  }

  /** A member, unchecked; null where there is none. */
  value(name: string): Json {
    return Object.hasOwn(this.#members, name) ? (this.#members[name] ?? null) : null
  }

  /** Path of the record within the file, as `annotations[17]`. */
  get path(): string {
    return this.#path
  }

  finite(name: string): number {
    const value = this.#required(name)
    if (typeof value === 'number' && Number.isFinite(value)) return value
    return this.refuse(name, `expected a finite number, got ${excerpt(value)}`)
  }

  nonNegative(name: string): number {
    const value = this.finite(name)
    if (value >= 0) return value
    return this.refuse(name, `expected a number from 0, got ${value}`)
  }

  box(name: string): Box {
    const value = this.#required(name)
    if (!Array.isArray(value) || value.length !== 4) {
      return this.refuse(name, `expected [x, y, width, height], got ${excerpt(value)}`)
    }
    const [x, y, width, height] = value.map((one, i) => this.#side(`${name}[${i}]`, one))
    const box = [x ?? 0, y ?? 0, width ?? 0, height ?? 0] as const
    for (const i of [2, 3] as const) {
      if (box[i] < 0) {
        this.refuse(
          `${name}[${i}]`,
          `expected a ${i === 2 ? 'width' : 'height'} from 0, got ${box[i]}`,
          'a box is [x, y, width, height], not two corners',
        )
      }
    }
    return box
  }

  /** 0 or 1, or false or true; false where there is none. */
  flag(name: string): boolean {
    const value = this.#members[name]
    if (value === undefined || value === 0 || value === false) return false
    if (value === 1 || value === true) return true
    return this.refuse(name, `expected 0 or 1, got ${excerpt(value)}`)
  }

  /** A string, or null where there is none. */
  text(name: string): string | null {
    const value = this.#members[name] ?? null
    if (value === null || typeof value === 'string') return value
    return this.refuse(name, `expected a string, got ${excerpt(value)}`)
  }

  /** A number of pixels from 1, or null where there is none. */
  extent(name: string): number | null {
    const value = this.#members[name] ?? null
    if (value === null || (typeof value === 'number' && Number.isSafeInteger(value) && value > 0))
      return value
    return this.refuse(name, `expected a number of pixels, got ${excerpt(value)}`)
  }

  /** Rejects the record because of one of its members. */
  refuse(name: string, message: string, help = 'correct or remove the record'): never {
    return fail({ kind: 'data', message, where: `${this.#file}, ${this.#path}.${name}`, help })
  }

  #required(name: string): Json {
    // `hasOwn`, so that a member of every object's prototype is not mistaken for a member of the record.
    if (Object.hasOwn(this.#members, name)) return this.#members[name] ?? null
    return this.refuse(name, `expected the member ${name}, found none`)
  }

  #side(name: string, value: unknown): number {
    if (typeof value === 'number' && Number.isFinite(value)) return value
    return this.refuse(name, `expected a finite number, got ${excerpt(value)}`)
  }
}

/** Whether a value is new to a set of ids, which then has it. */
export function isNew(ids: Set<number>, id: number): boolean {
  const before = ids.size
  return ids.add(id).size > before
}

/** Message for an image or category id that is not in the annotations. */
export function unlisted(what: 'image' | 'category', id: RecordKey): string {
  return `expected the id of ${what === 'image' ? 'an image' : 'a category'} listed in the annotations, got ${id === null ? 'none' : id}`
}
