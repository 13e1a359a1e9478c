import { execFileSync, spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { codeOf } from './markdown.ts'

/* What CONTRIBUTING.md tells to write and to change is written and changed, in a copy of the sources, compiled and tested there. */

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)
const copy = realpathSync(mkdtempSync(join(tmpdir(), 'moiety-contributing-')))
afterAll(() => rmSync(copy, { recursive: true, force: true }))

const examples = codeOf('CONTRIBUTING.md').flatMap(({ where, language, text }) => {
  const [, path, content] = /^\/\/ (src\/\S+)\n([\s\S]*)$/.exec(text) ?? []
  return path === undefined || content === undefined ? [] : [{ where, language, path, content }]
})

/** A change as its lines say: those with a blank or − are there, once, and become those with a blank or +. */
function changed(text: string, change: string, where: string): string {
  const lines = change.trimEnd().split('\n')
  const having = (sign: string) =>
    lines.flatMap(line => (line[0] === sign || line[0] === ' ' ? [line.slice(1)] : []))
  const [before, after] = ['-', '+'].map(sign => `\n${having(sign).join('\n')}\n`)
  const parts = `\n${text}`.split(before!)
  expect(parts.length, `${where}: this is there once:${before}`).toBe(2)
  return parts.join(after).slice(1)
}

beforeAll(() => {
  for (const folder of ['src', 'test'])
    cpSync(join(root, folder), join(copy, folder), {
      recursive: true,
      filter: path => !/\.test\.ts$|fixtures|golden_/.test(path),
    })
  for (const name of ['package.json', 'tsconfig.json', 'recipes'])
    cpSync(join(root, name), join(copy, name), { recursive: true })
  // The engine's thread is what was built.
  for (const name of ['node_modules', 'dist', 'packages'])
    symlinkSync(join(root, name), join(copy, name), 'junction')
  for (const { where, language, path, content } of examples) {
    const file = join(copy, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, language === 'diff' ? changed(readFileSync(file, 'utf8'), content, where) : content)
  }
})

it('has an op, a constraint, a data format and a task as examples, each with a test', () => {
  const tests = examples.filter(({ path }) => path.endsWith('.test.ts')).map(({ path }) => path)
  expect(tests.map(path => path.split('/')[1])).toEqual(['graph', 'moe', 'data', 'train'])
})

it('its examples compile', () => {
  const files = [...new Set(examples.map(({ path }) => path))]
  writeFileSync(
    join(copy, 'tsconfig.examples.json'),
    JSON.stringify({ extends: './tsconfig.json', files, include: [] }),
  )
  const tsc = require.resolve('typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, '-p', join(copy, 'tsconfig.examples.json')], {
    encoding: 'utf8',
  })
  expect(stdout).toBe('')
})

it('its examples are formatted and linted as the sources are', () => {
  const biome = require.resolve('@biomejs/biome/bin/biome')
  cpSync(join(root, 'biome.json'), join(copy, 'biome.json'))
  const files = examples.filter(({ language }) => language === 'ts').map(({ path }) => path)
  const words = [biome, 'check', '--vcs-enabled=false', ...files]
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: copy, encoding: 'utf8' })
  expect(status, stdout + stderr).toBe(0)
})

it('its tests pass', () => {
  writeFileSync(
    join(copy, 'vitest.config.ts'),
    'export default { test: { include: ["src/**/*.test.ts"], testTimeout: 300_000 } }\n',
  )
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs')
  const text = execFileSync(process.execPath, [vitest, 'run', '--root', copy, '--reporter=json'], {
    cwd: copy,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { numPassedTests, numTotalTests } = JSON.parse(text.slice(text.indexOf('{')))
  expect(numTotalTests).toBeGreaterThanOrEqual(7)
  expect(numPassedTests).toBe(numTotalTests)
})
