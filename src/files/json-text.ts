/** Checks of hand-written JSON. `JSON.parse` keeps the last of two equal keys, and builds values of any depth. */

import { quoted } from './json-reader.ts'

/** Deeper than anything that Moiety reads, so that recursive functions on values are safe. */
export const deepestJson = 100

/** What is wrong with a JSON text although `JSON.parse` accepts it. */
export type JsonMistake =
  | { readonly kind: 'duplicate'; readonly key: string; readonly line: number; readonly firstLine: number }
  | { readonly kind: 'depth'; readonly line: number }
  /** A key that changes an object's prototype when assigned; copies of a value may drop it. */
  | { readonly kind: 'reserved'; readonly key: string; readonly line: number }

/** The first mistake of a text that `JSON.parse` accepts, lines counted from 1. Keys are compared unescaped. */
export function mistakeIn(text: string): JsonMistake | undefined {
  // For every open bracket the keys of its object and their lines; undefined for an array.
  const open: (Map<string, number> | undefined)[] = []
  let line = 1
  let isKey = false
  for (const { 0: token } of text.matchAll(/"(?:[^"\\]|\\.)*"|[\n{}[\],:]/gs)) {
    if (token === '\n') line++
    else if (token === '{' || token === '[') {
      open.push(token === '{' ? new Map() : undefined)
      isKey = token === '{'
      if (open.length > deepestJson) return { kind: 'depth', line }
    } else if (token === '}' || token === ']') open.pop()
    else if (token === ',') isKey = open.at(-1) !== undefined
    else if (token === ':') isKey = false
    else if (isKey) {
      const keys = open.at(-1)
      const key = String(JSON.parse(token))
      const firstLine = keys?.get(key)
      if (firstLine !== undefined) return { kind: 'duplicate', key, line, firstLine }
      if (key === '__proto__') return { kind: 'reserved', key, line }
      keys?.set(key, line)
    }
  }
  return undefined
}

/** A mistake as a predicate; the subject is the file or value that has it. */
export function mistakeInWords(mistake: JsonMistake): string {
  switch (mistake.kind) {
    case 'depth':
      return 'is nested too deeply'
    case 'duplicate':
      return `has the key ${quoted(mistake.key)} twice in one object, in lines ${mistake.firstLine} and ${mistake.line}`
    case 'reserved':
      return `has the key ${quoted(mistake.key)}, which is not allowed`
  }
}

/** Whether an already parsed value is nested deeper than {@link deepestJson}; it may be so deep that recursion would fail. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepestJson) return true
    level = level.flatMap(item => (typeof item === 'object' && item !== null ? Object.values(item) : []))
  }
  return false
}

/**
 * The beginning of a value as JSON, for a message. Reads only as much of the value as it shows, so neither depth nor size matters.
 *
 * @param most - characters
 */
export function excerpt(value: unknown, most = 60): string {
  const text = beginning(value, most + 1)
  return text.length > most ? `${text.slice(0, most - 3)}...` : text
}

/** At least the first `length` characters of a value's JSON, or all of it. */
function beginning(value: unknown, length: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, length))
  if (typeof value !== 'object' || value === null) return String(value)
  const isArray = Array.isArray(value)
  let text = isArray ? '[' : '{'
  let isFirst = true
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue
    if (text.length >= length) return text
    if (!isFirst) text += ','
    if (!isArray) text += `${JSON.stringify(key.slice(0, length))}:`
    // Every level adds a character, so the depth is bounded by the length.
    if (text.length < length) text += beginning(Reflect.get(value, key), length - text.length)
    isFirst = false
  }
  return text + (isArray ? ']' : '}')
}
