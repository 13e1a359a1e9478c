// @ts-check
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * Writes the tables of the pages of results from committed numbers: `npm run results`. Between
 *
 *   <!-- moiety table data/controls.csv --rows control --columns position -->
 *   <!-- /moiety -->
 *
 * stands what that command prints as Markdown. Paths are relative to the page; words are separated by spaces, quotes keep them
 * together. With --check nothing is written, and the exit code says whether anything would be.
 */
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const words = process.argv.slice(2)
const isCheck = words.includes('--check')
const [folder = fileURLToPath(new URL('../docs', import.meta.url))] = words.filter(
  word => !word.startsWith('--'),
)

const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .map(name => name.replaceAll('\\', '/'))
  .filter(name => /^results(\/.*)?\.md$/.test(name))
  .sort()
let stale = 0
for (const page of pages) {
  const path = join(folder, page)
  const before = readFileSync(path, 'utf8')
  const after = before.replace(
    /(<!-- moiety (table [^\n]*?) -->\n)[\s\S]*?(<!-- \/moiety -->)/g,
    (_, opening, command, closing) => `${opening}\n${printed(command, join(path, '..'))}\n\n${closing}`,
  )
  if (after === before) continue
  stale++
  console.log(`${isCheck ? 'out of date' : 'written'}: ${page}`)
  if (!isCheck) writeFileSync(path, after)
}
console.log(`${pages.length} pages, ${stale} ${isCheck ? 'out of date' : 'changed'}`)
process.exitCode = isCheck && stale > 0 ? 1 : 0

/** @param {string} command @param {string} cwd */
function printed(command, cwd) {
  const parts = Array.from(command.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain)
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, ...parts, '--format', 'markdown'],
    {
      cwd,
      encoding: 'utf8',
    },
  )
  if (status !== 0) throw new Error(`moiety ${command}\n${stderr}`)
  return stdout.trimEnd()
}
