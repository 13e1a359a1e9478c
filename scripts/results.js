// @ts-check
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/*
 * Writes the tables and charts of the pages of results from committed numbers: `npm run results`. Between
 *
 *   <!-- moiety table data/controls.csv --rows control --columns position -->
 *   <!-- /moiety -->
 *
 * stands what that command prints as Markdown. With `--chart values-top1` behind it stands that chart of `--charts` instead, as wide
 * as two columns, which is written to charts/ next to the folder of the numbers. `csv data/goals.csv` in place of a command shows a
 * file as it is. Paths are relative to the page; words are separated by spaces, quotes keep them together. With --check nothing is
 * written, and the exit code says whether anything would be.
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
    /(<!-- (moiety table|csv) ([^\n]*?) -->\n)[\s\S]*?(<!-- \/(?:moiety|csv) -->)/g,
    (_, opening, command, rest, closing) => {
      const words = wordsOf(rest)
      const place = dirname(path)
      const content =
        command === 'csv' ? listed(join(place, words[0] ?? '')) : made(['table', ...words], place)
      return `${opening}\n${content}\n\n${closing}`
    },
  )
  write(path, before, after)
}
console.log(`${pages.length} pages, ${stale} files ${isCheck ? 'out of date' : 'changed'}`)
process.exitCode = isCheck && stale > 0 ? 1 : 0

/** @param {string} path @param {string | undefined} before @param {string} after */
function write(path, before, after) {
  if (after === before) return
  stale++
  console.log(`${isCheck ? 'out of date' : 'written'}: ${relative(folder, path).replaceAll('\\', '/')}`)
  if (isCheck) return
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, after)
}

/** @param {string} text */
function wordsOf(text) {
  return Array.from(text.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}

/** @param {string[]} words @param {string} cwd */
function made(words, cwd) {
  const at = words.indexOf('--chart')
  return at < 0
    ? printed([...words, '--format', 'markdown'], cwd)
    : drawn(words.toSpliced(at, 2), words[at + 1], cwd)
}

/** A CSV as a table of Markdown; columns of numbers stand to the right. @param {string} file */
function listed(file) {
  const lines = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/)
  const [head = [], ...rows] = lines.map(line =>
    Array.from(`,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^",]*))/g), ([, quoted, plain]) =>
      (quoted?.replaceAll('""', '"') ?? plain ?? '').replaceAll('|', '\\|'),
    ),
  )
  const other = rows.find(row => row.length !== head.length)
  if (other !== undefined) throw new Error(`${file}: expected ${head.length} fields, came ${other.join(',')}`)
  const isNumber = /^[−–\d.,±× %]*$/
  const sides = head.map((_, at) => (rows.every(row => isNumber.test(row[at] ?? '')) ? '---:' : '---'))
  return [head, sides, ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')
}

/** @param {string[]} words @param {string} cwd */
function printed(words, cwd) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
    cwd,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`moiety ${words.join(' ')}\n${stderr}`)
  return stdout.trimEnd()
}

/** @param {string[]} words @param {string | undefined} chart @param {string} cwd */
function drawn(words, chart, cwd) {
  const all = mkdtempSync(join(tmpdir(), 'moiety-results-'))
  try {
    printed([...words, '--charts', all], cwd)
    const found = readdirSync(all).filter(name => name.endsWith('-174mm.svg'))
    const file = found.find(name => name === `${chart}-174mm.svg`)
    if (file === undefined)
      throw new Error(
        `moiety ${words.join(' ')} has no chart ${chart}; there are ${found.map(name => name.replace('-174mm.svg', '')).join(', ')}`,
      )
    const svg = readFileSync(join(all, file), 'utf8')
    const name = `${basename(words[1] ?? '', '.csv').replaceAll(/[^\w.-]+/g, '-')}-${chart}.svg`
    const place = posix.join(posix.dirname(words[1] ?? ''), '..', 'charts', name)
    const path = join(cwd, place)
    write(path, existsSync(path) ? readFileSync(path, 'utf8') : undefined, svg)
    const [, label = ''] = /<title>(.*?)<\/title>/s.exec(svg) ?? []
    return `![${label.replaceAll(/[[\]]/g, '\\$&')}](${place})`
  } finally {
    rmSync(all, { recursive: true, force: true })
  }
}
