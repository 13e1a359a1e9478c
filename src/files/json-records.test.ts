import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { readJsonRecords } from './json-records.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-records-'))
const file = join(folder, 'a.json')

function read(text: string | Buffer, lists: readonly string[] = ['a']) {
  writeFileSync(file, text)
  const records: unknown[] = []
  const paths: string[] = []
  const outline = readJsonRecords(file, {
    lists,
    record: (_, value, __, path) => {
      records.push(value)
      paths.push(path)
    },
  })
  return { ...outline, records, paths }
}

function refusal(text: string, lists?: readonly string[]): string {
  try {
    read(text, lists)
  } catch (error) {
    if (error instanceof MoietyError) {
      expect(error.kind).toBe('data')
      return `${error.message} @ ${error.where?.replace(file, 'FILE')}`
    }
    throw error
  }
  return 'none'
}

describe('records of a JSON file', () => {
  it('agree with JSON.parse, whatever the layout of the file', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue()),
        fc.jsonValue(),
        fc.constantFrom(0, 1, '\t'),
        (list, other, space) => {
          const expected: unknown = JSON.parse(JSON.stringify(list))
          expect(read(JSON.stringify({ other, a: list, z: other }, null, space)).records).toEqual(expected)
          expect(read(JSON.stringify(list, null, space), ['']).records).toEqual(expected)
        },
      ),
    )
  })

  it('may span the chunks in which a file is read', () => {
    const long = { text: `"\\\\ü${'x'.repeat(700_000)}\\` }
    const list = Array.from({ length: 7 }, (_, i) => ({ ...long, i, 'k"': [[i], {}] }))
    for (const shift of [0, 1, 2, 3, 350_001]) {
      const { records, lengths } = read(`${' '.repeat(shift)}${JSON.stringify({ skipped: list, a: list })}`)
      expect(records).toEqual(list)
      expect(lengths).toEqual(new Map([['a', 7]]))
    }
  })

  it('have a path, and a list of its own name at the root', () => {
    expect(read('{"a": [1, 2], "b": [3]}', ['a', 'b']).paths).toEqual(['a[0]', 'a[1]', 'b[0]'])
    expect(read('[1, {}]', ['']).paths).toEqual(['[0]', '[1]'])
    expect(read('[]', [''])).toMatchObject({ root: 'array', lengths: new Map([['', 0]]) })
    expect(read('{"__proto__": [1], "constructor": {}}')).toMatchObject({ root: 'object', records: [] })
  })

  it('are refused where the file is not JSON, with the position', () => {
    expect(refusal('')).toBe(
      'expected JSON that begins with { or [, found the end of the file @ FILE, byte 0',
    )
    expect(refusal('hello')).toMatch(/begins with \{ or \[, found "hello" @ FILE, byte 0/)
    expect(refusal('{"a": [1, 2')).toMatch(
      /expected , or \] after it, found the end of the file @ FILE, a\[1\]/,
    )
    expect(refusal('{"a": [{"b": 1}, {"b": "x')).toBe(
      'the file ends in the middle of it @ FILE, a[1], byte 17',
    )
    expect(refusal('{"a": [1 2]}')).toMatch(/expected , or \] after it, found "2\]\}" @ FILE, a\[0\]/)
    expect(refusal('{"a": [1, ]}')).toMatch(/expected JSON, found "".*@ FILE, a\[1\]/)
    expect(refusal('{"a": [{"b": 1]}]}')).toMatch(/expected JSON, found.*@ FILE, a\[0\], byte 7/)
    expect(refusal('{"a": [{"b": NaN}]}')).toMatch(
      /expected a number, found NaN, which JSON does not have @ FILE, a\[0\]/,
    )
    expect(refusal('{"a": {}}')).toMatch(/expected a list, found "\{\}\}" @ FILE, a/)
    expect(refusal('{"a": [], "a": []}')).toMatch(/this list occurs twice in the file @ FILE, a/)
    expect(refusal('{"a": []} x')).toMatch(/expected the end, found "x"/)
    expect(refusal('{a: []}')).toMatch(/expected a name in quotes, found "a: \[\]\}"/)
    expect(refusal('{"a" []}')).toMatch(/expected : after "a"/)
    expect(refusal('[1, 2, {"x": 3', [''])).toMatch(/the file ends in the middle of it @ FILE, \[2\]/)
  })

  it('are refused above the maximum length', () => {
    expect(refusal(`{"a": ["${'x'.repeat(40 << 20)}"]}`)).toMatch(/records of at most 16 MiB.*@ FILE, a\[0\]/)
    expect(refusal(`{"b": "${'x'.repeat(40 << 20)}", "a": []}`)).toBe('none')
  })

  it('are refused where there is no file', () => {
    const options = { lists: [''], record: () => undefined }
    expect(() => readJsonRecords(join(folder, 'none.json'), options)).toThrow(
      /expected a JSON file, found none/,
    )
    expect(() => readJsonRecords(folder, options)).toThrow(/expected a JSON file that can be read/)
  })

  it('take no more memory than the longest, whatever the size of the file', () => {
    const record = `{"segmentation": [${'1234.5678, '.repeat(300)}0], "id": 1}`
    writeFileSync(file, `{"a": [${new Array(30_000).fill(record).join(',')}]}`)
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    let count = 0
    readJsonRecords(file, {
      lists: ['a'],
      record: () => {
        if (count++ % 1000 === 0) most = Math.max(most, process.memoryUsage().arrayBuffers - before)
      },
    })
    expect(count).toBe(30_000)
    expect(most).toBeLessThan(16 << 20)
  })
})

describe('compressed files', () => {
  const packed = join(folder, 'a.json.gz')
  const records = (options: { readonly mostUnpacked?: number } = {}) => {
    const found: unknown[] = []
    const outline = readJsonRecords(packed, {
      lists: ['a'],
      record: (_, value) => found.push(value),
      ...options,
    })
    return { ...outline, found }
  }

  it('are read like others, longer than the buffer as well, and a byte order mark is skipped', () => {
    const long = 'x'.repeat(3 << 20)
    writeFileSync(packed, gzipSync(`\ufeff{"a": [1, "${long}", 2]}`))
    expect(records()).toMatchObject({ found: [1, long, 2], hasMark: true })
    writeFileSync(packed, gzipSync('{"a": []}'))
    expect(records()).toMatchObject({ found: [], hasMark: false })
  })

  it('are refused if they unpack to more than the limit, or are no gzip files', () => {
    writeFileSync(packed, gzipSync(`{"a": ["${'x'.repeat(1 << 20)}"]}`))
    expect(() => records({ mostUnpacked: 1 << 20 })).toThrow(
      /expected at most 1\.\d MB when unpacked, got more/,
    )
    writeFileSync(packed, '{"a": []}')
    expect(() => records()).toThrow(/expected a gzip file, got: incorrect header check/)
  })
})
