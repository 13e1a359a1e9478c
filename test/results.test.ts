import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { newFolder } from './tiny.ts'

const script = fileURLToPath(new URL('../scripts/results.js', import.meta.url))
const run = (...words: string[]) => spawnSync(process.execPath, [script, ...words], { encoding: 'utf8' })

describe('npm run results', () => {
  it('writes tables of pages from the numbers next to them, and says with --check what is out of date', () => {
    const folder = newFolder()
    mkdirSync(join(folder, 'results', 'data'), { recursive: true })
    writeFileSync(
      join(folder, 'results', 'data', 'a b.csv'),
      'run,constraint,seed,status,top1\nx,kl,1,done,0.5\ny,kl,2,done,0.6\nz,mean,1,done,0.55\nw,mean,2,failed,\n',
    )
    const page = join(folder, 'results', 'controls.md')
    const command = '<!-- moiety table "data/a b.csv" --rows constraint -->'
    const text = `# Controls\n\n${command}\nold\n<!-- /moiety -->\n\nAfter.\n`
    writeFileSync(page, text)
    const stale = run('--check', folder)
    expect([stale.status, stale.stdout]).toEqual([
      1,
      'out of date: results/controls.md\n1 pages, 1 out of date\n',
    ])
    expect(readFileSync(page, 'utf8')).toBe(text)
    expect(run(folder).status).toBe(0)
    const written = readFileSync(page, 'utf8')
    expect(written).toContain('| kl | 55.0 ± 7.1 |\n| mean | 55.0 (1 of 2; 1 failed) |')
    expect(written).not.toContain('old')
    expect(written).toMatch(
      /^# Controls\n\n<!-- moiety table .* -->\n\n[\s\S]*\n\n<!-- \/moiety -->\n\nAfter\.\n$/,
    )
    expect(run('--check', folder).status).toBe(0)
    writeFileSync(page, text.replace('--rows constraint', '--rows none'))
    const wrong = run(folder)
    expect(wrong.status).not.toBe(0)
    expect(wrong.stderr).toContain('"none" does not vary in this sweep')
  })

  it('finds the pages of this repository up to date', () => {
    const { status, stdout } = run('--check')
    expect(status, stdout).toBe(0)
  })
})
