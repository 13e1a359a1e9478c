import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = new URL('..', import.meta.url)
const { exports, bin } = z
  .object({
    exports: z.record(
      z.string(),
      z.union([z.string(), z.object({ types: z.string(), default: z.string() })]),
    ),
    bin: z.record(z.string(), z.string()),
  })
  .parse(JSON.parse(readFileSync(new URL('package.json', root), 'utf8')))

describe('the exports of package.json', () => {
  const modules = Object.values(exports).flatMap(target => (typeof target === 'string' ? [] : [target]))

  it.each([...modules.map(target => target.default), ...Object.values(bin)])('%s has a source', target => {
    const source = target
      .replace(/^(\.\/)?dist\//, 'src/')
      .replace('src/moiety/', 'src/')
      .replace(/\.js$/, '.ts')
    expect(existsSync(new URL(source, root))).toBe(true)
  })

  it.each(modules.map(({ types }) => types))('%s is built', types => {
    expect(existsSync(new URL(types, root))).toBe(true)
  })

  it('can be imported, and none is empty', () => {
    const names = Object.keys(exports)
      .filter(path => typeof exports[path] !== 'string')
      .map(path => `moiety${path.slice(1)}`)
    const program = `for (const name of ${JSON.stringify(names)})
      console.log(name, Object.keys(await import(name)).length)`
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      cwd: root,
      encoding: 'utf8',
    })
    const counts = output.trim().split('\n')
    expect(counts).toHaveLength(names.length)
    for (const line of counts) expect(line).toMatch(/^moiety\S* [1-9]\d*$/)
  })
})
