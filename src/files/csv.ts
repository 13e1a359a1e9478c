import { fail } from '../base/errors.ts'

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
 * @throws MoietyError `data` that names the line
 */
export function parseCsv(text: string, file: string): CsvRecord[] {
  const records: CsvRecord[] = []
  const scanner = new CsvScanner(text, file)
  for (let record = scanner.next(); record !== undefined; record = scanner.next()) {
    const expected = records[0]?.fields.length ?? record.fields.length
    if (record.fields.length !== expected)
      refuse(
        `expected ${expected} fields as in the first line, found ${record.fields.length}`,
        `${file}, line ${record.line}`,
      )
    records.push(record)
  }
  return records
}

class CsvScanner {
  #at = 0
  #line = 1

  constructor(
    readonly text: string,
    readonly file: string,
  ) {}

  /** The next record that is not an empty line; undefined at the end. */
  next(): CsvRecord | undefined {
    while (this.#at < this.text.length) {
      const line = this.#line
      const fields = [this.#field()]
      while (this.text[this.#at] === ',') {
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
    while (this.#at < this.text.length && !',\r\n'.includes(this.text[this.#at]!)) {
      if (this.text[this.#at] === '"')
        this.#refuse('found a quote within a field that does not begin with one')
      this.#at++
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
      if (mark !== '"') continue
      value += this.text.slice(start, this.#at++)
      if (this.text[this.#at] !== '"') break
      start = this.#at
    }
    const after = this.text[this.#at]
    if (after !== undefined && !',\r\n'.includes(after))
      this.#refuse(
        `expected a comma or the end of the line after a quoted field, found ${JSON.stringify(after)}`,
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

function refuse(message: string, where: string): never {
  return fail({
    kind: 'data',
    message,
    where,
    help: 'write commas between fields, and "…" around a field that holds a comma, a quote (twice: "") or a line break',
  })
}
