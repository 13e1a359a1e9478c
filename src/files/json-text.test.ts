import { expect, it } from 'vitest'
import { excerpt, isTooDeep, mistakeIn } from './json-text.ts'

it('a duplicate key is found with both lines, and only within one object', () => {
  expect(mistakeIn('{"a": 1,\n "b": {"a": [1, {"a": 2}, {"a": 3}]},\n\n "a": 2}')).toEqual({
    kind: 'duplicate',
    key: 'a',
    line: 4,
    firstLine: 1,
  })
  expect(mistakeIn('{"x": {"seed": 1, "\\u0073eed": 2}}')).toMatchObject({ key: 'seed' })
  expect(mistakeIn('{"a": "a", "b": "\\"a\\": {", "c": ["a", "a", "}"], "d": "{,\\"a\\":"}')).toBeUndefined()
  expect(mistakeIn('["a", "a"]')).toBeUndefined()
})

it('a key that would change the prototype of an object is found, escaped or not', () => {
  for (const key of ['__proto__', '\\u005f_proto__'])
    expect(mistakeIn(`{"a": "__proto__",\n "b": [{"${key}": 1}]}`)).toEqual({
      kind: 'reserved',
      key: '__proto__',
      line: 2,
    })
})

it('depth is found in text and in values, without recursion', () => {
  const deep = `${'['.repeat(50_000)}1${']'.repeat(50_000)}`
  expect(mistakeIn(deep)).toMatchObject({ kind: 'depth' })
  expect(isTooDeep(JSON.parse(deep))).toBe(true)
  expect(mistakeIn('[[{"a": [1]}]]')).toBeUndefined()
  expect(isTooDeep([[{ a: [1] }]])).toBe(false)
})

it('an excerpt equals the beginning of the JSON, whatever the depth or size of the value', () => {
  const values = [1, 'text', null, true, [], {}, [1, 'a"b', { c: [null] }], { a: { b: [1, 2] }, c: 'd' }]
  for (const value of values) expect(excerpt(value)).toBe(JSON.stringify(value))
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const text = `${open.repeat(50_000)}1${close.repeat(50_000)}`
    expect(excerpt(JSON.parse(text))).toBe(`${text.slice(0, 57)}...`)
  }
  expect(excerpt('x'.repeat(10_000_000))).toBe(`"${'x'.repeat(56)}...`)
  expect(excerpt(Array.from({ length: 1_000_000 }, (_, i) => i))).toBe(
    `[${'0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22'.slice(0, 56)}...`,
  )
})
