import { fail } from '../base/errors.ts'

/**
 * Reads JSON of a known form from untrusted text, one expected value after another. In contrast to
 * `JSON.parse` it detects duplicate keys, creates no objects that a key named `__proto__` could affect, and stops at the
 * first value that is not of the expected form, so depth and size of malicious text cost nothing.
 *
 * Every method throws a `MoietyError` of kind `data` that names the character.
 */
export class JsonReader {
  readonly #text: string
  readonly #source: string
  #at = 0
  /** How many line breaks are before `#counted`. */
  #breaks = 0
  #counted = 0

  /** @param source - the source of the text, for messages: a file's name and part */
  constructor(text: string, source: string) {
    this.#text = text
    this.#source = source
  }

  /** The line that was reached, or on which the next value begins, counted from 1. */
  get line(): number {
    this.#skipSpace()
    for (; this.#counted < this.#at; this.#counted++)
      if (this.#text.charCodeAt(this.#counted) === 0x0a) this.#breaks++
    return this.#breaks + 1
  }

  /** Reads an object; `member` is called with each key and must read the value. Keys may not repeat. */
  object(what: string, member: (key: string) => void): void {
    const seen = new Set<string>()
    this.#sequence(`${what} as an object`, '{', '}', () => {
      const key = this.string(`a key in ${what}`)
      if (seen.has(key)) this.refuse(`${what} has the key ${quoted(key)} twice`)
      seen.add(key)
      this.#take(':', `":" after the key ${quoted(key)}`)
      member(key)
    })
  }

  /** Reads an array; `item` is called where each item begins and must read it. */
  array(what: string, item: () => void): void {
    this.#sequence(`${what} as an array`, '[', ']', item)
  }

  string(what: string): string {
    this.#take('"', `${what} as a string`)
    const start = this.#at
    let plain = true
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (Number.isNaN(code) || code < 0x20) this.refuse(`${what} is a string without an end`)
      if (code === 0x22) break
      if (code === 0x5c) {
        plain = false
        this.#at++
      }
    }
    const inside = this.#text.slice(start, this.#at++)
    return plain ? inside : this.#unescape(inside, what)
  }

  /** Reads an integer in 0 … 2⁵³−1, digits only: `1.0`, `1e3`, `-0` and `01` are refused. */
  wholeNumber(what: string): number {
    this.#skipSpace()
    const start = this.#at
    while (isDigit(this.#text.charCodeAt(this.#at)) && this.#at - start < 20) this.#at++
    const digits = this.#text.slice(start, this.#at)
    const after = this.#text[this.#at]
    const ends = after === undefined || ' \t\n\r,]}'.includes(after)
    if (digits === '' || !ends || (digits.length > 1 && digits.startsWith('0'))) {
      this.refuse(`${what} must be a non-negative whole number; it begins ${this.#excerpt(start)}`)
    }
    const value = Number(digits)
    if (!Number.isSafeInteger(value)) this.refuse(`${what} is ${digits}, beyond 2^53 - 1`)
    return value
  }

  /** Reads any value; of an object, which is only passed over, undefined. */
  any(what: string, depth = 0): JsonValue {
    if (depth > 100) this.refuse(`${what} is nested too deeply`)
    const mark = this.#next()
    if (mark === '"') return this.string(what)
    if (mark === '{') {
      this.object(what, () => this.any(what, depth + 1))
      return undefined
    }
    if (mark === '[') {
      const list: JsonValue[] = []
      this.array(what, () => list.push(this.any(what, depth + 1)))
      return list
    }
    const literal = /-?\d{1,20}(?:\.\d{1,30})?(?:[eE][+-]?\d{1,4})?|true|false|null/y
    literal.lastIndex = this.#at
    const [text] = literal.exec(this.#text) ?? this.refuse(`${what} is no value of JSON`)
    this.#at += text.length
    return JSON.parse(text)
  }

  /** Checks that only white space is left. */
  end(): void {
    this.#skipSpace()
    if (this.#at < this.#text.length) this.refuse(`the end was expected; found ${this.#excerpt(this.#at)}`)
  }

  /** Rejects the text at the current position. */
  refuse(message: string): never {
    return fail({
      kind: 'data',
      message: `${this.#source}: ${message}`,
      where: `${this.#source}, character ${Math.min(this.#at, this.#text.length)}`,
      help: 'the file is damaged or of another format; fetch or write it again',
    })
  }

  #sequence(what: string, opening: string, closing: string, item: () => void): void {
    this.#take(opening, what)
    if (this.#next() === closing) {
      this.#at++
      return
    }
    for (;;) {
      item()
      const mark = this.#next()
      if (mark !== ',' && mark !== closing) {
        this.refuse(`"," or "${closing}" was expected; found ${this.#excerpt(this.#at)}`)
      }
      this.#at++
      if (mark === closing) return
    }
  }

  #unescape(inside: string, what: string): string {
    let value: unknown
    try {
      value = JSON.parse(`"${inside}"`)
    } catch {
      // The only remaining cause is an invalid escape.
    }
    return typeof value === 'string' ? value : this.refuse(`${what} is a string with an invalid escape`)
  }

  #take(mark: string, what: string): void {
    if (this.#next() !== mark) this.refuse(`expected ${what}; found ${this.#excerpt(this.#at)}`)
    this.#at++
  }

  #next(): string | undefined {
    this.#skipSpace()
    return this.#text[this.#at]
  }

  #skipSpace(): void {
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
    }
  }

  #excerpt(start: number): string {
    return start >= this.#text.length ? 'the end' : quoted(this.#text.slice(start, start + 20))
  }
}

/** A value whose form is checked after it was read; objects are undefined. */
export type JsonValue = string | number | boolean | null | undefined | readonly JsonValue[]

/** An untrusted name for a message: escaped, and truncated when long. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 117)}...` : name)
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}
