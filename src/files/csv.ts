import { MoietyError } from '../base/errors.ts'

/** A record of a CSV file, and the line on which it begins, counted from 1. */
export interface CsvRecord {
  readonly fields: readonly string[]
  readonly line: number
}

/**
 * Reads comma-separated values as RFC 4180 defines them: fields between commas, quoted where they hold a comma, a quote (written
 * twice) or a line break; lines end with CRLF or LF. Empty lines are passed over. Nothing is repaired: a quote in the wrong place
 * or a record with another number of fields than the first is refused, since it would move every later value by a column.
 *
 * @param file - what the text is, for messages
 * @param separator - what is between fields where it is no comma, as in files of spreadsheets (`;`) and TSV (a tab)
 * @param onOtherLength - called for each record with another number of fields, which is then left out; by default the first is an error
 * @throws MoietyError `data` that names the line
 */
export function parseCsv(
  text: string,
  file: string,
  separator: CsvSeparator = ',',
  onOtherLength: (reason: MoietyError) => void = reason => {
    throw reason
  },
): CsvRecord[] {
  const records: CsvRecord[] = []
  const scanner = new CsvScanner(text, file, separator)
  for (let record = scanner.next(); record !== undefined; record = scanner.next()) {
    const expected = records[0]?.fields.length ?? record.fields.length
    if (record.fields.length === expected) records.push(record)
    else
      onOtherLength(
        refusal(
          `expected ${expected} fields as in the first line, found ${record.fields.length}`,
          `${file}, line ${record.line}`,
        ),
      )
  }
  return records
}

/** What may be between fields. */
export type CsvSeparator = ',' | ';' | '\t' | ' '

/** Longest field in characters: a longer one is a quote without an end, or another file. */
const longestField = 1 << 20

class CsvScanner {
  readonly #ends: string
  #at = 0
  #line = 1

  constructor(
    readonly text: string,
    readonly file: string,
    readonly separator: CsvSeparator,
  ) {
    this.#ends = `${separator}\r\n`
  }

  /** The next record that is not an empty line; undefined at the end. */
  next(): CsvRecord | undefined {
    while (this.#at < this.text.length) {
      const line = this.#line
      const fields = [this.#field()]
      while (this.text[this.#at] === this.separator) {
        this.#at++
        fields.push(this.#field())
      }
      const isEmpty = fields.length === 1 && fields[0] === ''
      this.#endOfLine()
      if (!isEmpty) return { fields, line }
    }
    return undefined
  }

  #field(): string {
    if (this.text[this.#at] === '"') return this.#quoted()
    const start = this.#at
    while (this.#at < this.text.length && !this.#ends.includes(this.text[this.#at]!)) {
      if (this.text[this.#at] === '"')
        this.#refuse('found a quote within a field that does not begin with one')
      this.#at++
      if (this.#at - start > longestField) this.#refuse(tooLong)
    }
    return this.text.slice(start, this.#at)
  }

  #quoted(): string {
    const opened = this.#line
    let value = ''
    for (let start = ++this.#at; ; this.#at++) {
      const mark = this.text[this.#at]
      if (mark === undefined) refuse('a quoted field has no end', `${this.file}, line ${opened}`)
      if (mark === '\n') this.#line++
      if (this.#at - start > longestField) refuse(tooLong, `${this.file}, line ${opened}`)
      if (mark !== '"') continue
      value += this.text.slice(start, this.#at++)
      if (this.text[this.#at] !== '"') break
      start = this.#at
    }
    const after = this.text[this.#at]
    if (after !== undefined && !this.#ends.includes(after))
      this.#refuse(
        `expected ${this.separator === ',' ? 'a comma' : JSON.stringify(this.separator)} or the end of the line after a quoted field, found ${JSON.stringify(after)}`,
      )
    return value
  }

  #endOfLine(): void {
    if (this.text[this.#at] === '\r') {
      if (this.text[this.#at + 1] !== '\n') this.#refuse('found a carriage return without a line feed')
      this.#at++
    }
    this.#at++
    this.#line++
  }

  #refuse(message: string): never {
    return refuse(message, `${this.file}, line ${this.#line}`)
  }
}

const tooLong = `expected fields of at most ${longestField} characters, found a longer one`

function refusal(message: string, where: string): MoietyError {
  return new MoietyError({
    kind: 'data',
    message,
    where,
    help: 'write commas between fields, and "…" around a field that holds a comma, a quote (twice: "") or a line break',
  })
}

function refuse(message: string, where: string): never {
  throw refusal(message, where)
}
