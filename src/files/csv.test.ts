import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCsv } from './csv.ts'

const fieldsOf = (text: string) => parseCsv(text, 'a.csv').map(({ fields }) => fields)

describe('parseCsv', () => {
  it('reads quoted fields, CRLF and LF, and a last line without an end', () => {
    expect(fieldsOf('a,b\r\n"x, ""y""",2\n\r\n,\n3,"p\r\nq"')).toEqual([
      ['a', 'b'],
      ['x, "y"', '2'],
      ['', ''],
      ['3', 'p\r\nq'],
    ])
    expect(parseCsv('a\n"x\ny"\n\nz\n', 'a.csv').map(({ line }) => line)).toEqual([1, 2, 5])
    expect(fieldsOf('')).toEqual([])
  })

  it.each([
    ['a,b\n1\n', 'expected 2 fields as in the first line, found 1', 'a.csv, line 2'],
    ['a,b\n\n1,2,3', 'expected 2 fields as in the first line, found 3', 'a.csv, line 3'],
    ['a\nx"y\n', 'a quote within a field', 'a.csv, line 2'],
    ['a\n"x"y\n', 'after a quoted field, found "y"', 'a.csv, line 2'],
    ['a\nb\n"x\ny\n', 'a quoted field has no end', 'a.csv, line 3'],
    ['a\rb', 'a carriage return without a line feed', 'a.csv, line 1'],
  ])('refuses %j and names the line', (text, message, where) => {
    expect(() => parseCsv(text, 'a.csv')).toThrow(
      expect.objectContaining({ message: expect.stringContaining(message), where }),
    )
  })

  it('reads back whatever is written by the rules', () => {
    const record = fc.array(fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', 'é') }), {
      minLength: 2,
      maxLength: 2,
    })
    fc.assert(
      fc.property(fc.array(record), fc.constantFrom('\n', '\r\n'), (records, end) => {
        const line = (fields: string[]) =>
          fields.map(field => (/[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(',')
        expect(fieldsOf(records.map(one => line(one) + end).join(''))).toEqual(records)
      }),
    )
  })
})
