import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = new URL('..', import.meta.url)
const { exports: doors, bin } = z
  .object({ exports: z.record(z.string(), z.string()), bin: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(new URL('package.json', root), 'utf8')))

describe('the doors that package.json names', () => {
  it.each([...Object.values(doors), ...Object.values(bin)])('%s has a source', target => {
    const source = target.replace(/^(\.\/)?dist\//, 'src/').replace(/\.js$/, '.ts')
    expect(existsSync(new URL(source, root))).toBe(true)
  })

  it('open for a program outside the sources, and each gives something', () => {
    const names = Object.keys(doors).map(door => `moiety${door.slice(1)}`)
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
