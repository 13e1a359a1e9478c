import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

/** `docs/explanation/data-tests.md` names a test for each format and problem. */
const page = readFileSync(new URL('../docs/explanation/data-tests.md', import.meta.url), 'utf8')
const rows = page
  .split('\n')
  .filter(line => line.startsWith('| ') && !line.startsWith('| what '))
  .map(line => /^\| (.+) \| "(.+)" \| \[.+\]\(\.\.\/\.\.\/(.+)\) \|$/.exec(line) ?? [line])

it('every row of docs/explanation/data-tests.md names a test that is in its file', () => {
  expect(rows.length).toBeGreaterThan(60)
  for (const [line, what, title, path] of rows) {
    expect(path, `a row of another form: ${line}`).toBeDefined()
    const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
    expect(existsSync(file), `${what}: ${path}`).toBe(true)
    const text = readFileSync(file, 'utf8').replaceAll("\\'", "'")
    expect(text.includes(title!), `${what}: no test "${title}" in ${path}`).toBe(true)
  }
})
