import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseHTML } from 'linkedom'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { hasInvisible } from '../src/base/escaping.ts'
import { moiety, newFolder, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'

/** Names that somebody chose to become commands, keys, formulas, elements or instructions to a terminal. */
const folder = newFolder()
const data = writeTinyCifar(join(folder, 'data'), { train: 80 })
writeRecipe(folder, { ...tinyConfig(data), training: { epochs: 1, batch: 16 } })

const nasty =
  'x\ntouch PWNED-1\n$(touch PWNED-2)`touch PWNED-3`"; touch PWNED-4; \'\u001b]0;t\u0007\u202e\u200b\u2028'
/** Title, values, and baseline that a sweep's file may hold; the runs have no data and are never trained. */
const title = `=HYPERLINK("x")\n# ---\nkind: Pod\n<script>alert(1)</script>${nasty}`

function writeSweep(where: string): string {
  const file = join(where, `sweep ${nasty.replaceAll('/', '')}.json`)
  const recipe = { name: 'nasty', title, description: title, config: tinyConfig(data), reached: null }
  writeFileSync(join(where, 'nasty.json'), JSON.stringify(recipe))
  writeFileSync(
    file,
    JSON.stringify({
      name: 'nasty',
      title,
      description: title,
      recipe: 'nasty.json',
      // A path is a text that may be anything.
      grid: {
        'model.weights': [`=1+1${nasty}`, '-2+cmd|a!b', `@x\r\n|---|<img src=x onerror=alert(1)>`, '\t=3'],
      },
      seeds: [1, 2],
      baseline: { weights: '-2+cmd|a!b' },
    }),
  )
  return file
}

const isSafe = (text: string): boolean => !hasInvisible(text.replace(/\r?\n/g, ''))
const planted = (where: string): string[] => readdirSync(where).filter(name => name.startsWith('PWNED'))

describe('names that were chosen to do harm', () => {
  const file = writeSweep(folder)

  it('are words of the script for Slurm, and nothing of it runs but what was meant', async () => {
    const out = join(folder, 'out')
    const { code, stdout, stderr } = await moiety('sweep', file, '--out', out, '--emit', 'slurm')
    expect(code, stderr).toBe(0)
    expect(isSafe(stdout), stdout).toBe(true)
    const script = readFileSync(join(out, 'slurm.sh'), 'utf8')
    expect(isSafe(script)).toBe(true)
    expect(script.split('\n').filter(line => line.startsWith('#SBATCH'))).toHaveLength(9)

    // In a folder of its own, where commands are shims that write down their arguments.
    const sandbox = join(folder, 'sandbox')
    const bin = join(sandbox, 'bin')
    mkdirSync(bin, { recursive: true })
    const shim = '#!/bin/bash\nprintf \'%s\\0\' "$(basename "$0")" "$@" >> "$SEEN"\n'
    for (const name of ['node', 'scontrol', 'sbatch']) {
      writeFileSync(join(bin, name), shim)
      chmodSync(join(bin, name), 0o755)
    }
    const seen = join(sandbox, 'seen')
    const run = spawnSync('bash', ['--norc', join(out, 'slurm.sh')], {
      cwd: sandbox,
      encoding: 'utf8',
      env: { PATH: `${bin}:${process.env.PATH}`, SEEN: seen, SLURM_ARRAY_TASK_ID: '0', LC_ALL: 'C' },
    })
    expect([run.status, run.stderr]).toEqual([0, ''])
    const words = readFileSync(seen, 'utf8').split('\0')
    expect(words[0]).toBe('node')
    expect(words).toContain(file)
    expect(words).toContain(out)
    expect(planted(sandbox)).toEqual([])
    expect(readdirSync(sandbox).sort()).toEqual(['bin', 'seen'])
  })

  it.each([
    ['a line feed', 'a\ntouch PWNED'],
    ['a return', 'a\rb'],
    ['a sign that turns the direction of writing', 'a\u202eb'],
    ['a backslash, which sbatch takes for its own', 'a\\b'],
  ])('a folder with %s is refused by --emit slurm, and nothing is written', async (_what, name) => {
    const out = join(folder, name)
    const { code, stdout, stderr } = await moiety('sweep', file, '--out', out, '--emit', 'slurm')
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('sbatch cannot be given a folde')
    expect(isSafe(stderr)).toBe(true)
    expect(existsSync(out)).toBe(false)
  })

  it('are texts in the manifest for Kubernetes', async () => {
    const out = join(folder, `kube ${nasty.replaceAll('/', '')}`)
    const { code, stderr } = await moiety('sweep', file, '--out', out, '--emit', 'kubernetes')
    expect(code, stderr).toBe(0)
    const text = readFileSync(join(out, 'kubernetes.yaml'), 'utf8')
    expect(isSafe(text)).toBe(true)
    const documents = parseAllDocuments(text)
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([])
    const [config, job, ...more] = documents.map(document => document.toJS())
    expect([config.kind, job.kind, more.length]).toEqual(['ConfigMap', 'Job', 0])
    expect(JSON.parse(config.data['sweep.json']).title).toBe(title)
    expect(Object.keys(config.data)).toEqual(['sweep.json', 'recipe.json'])
  })

  it('stay in their cells of every table', async () => {
    const out = join(folder, 'out')
    const table = async (format: string): Promise<string> => {
      const { code, stdout, stderr } = await moiety('table', out, '--format', format)
      expect(code, stderr).toBe(0)
      expect(isSafe(stdout), format).toBe(true)
      return stdout
    }
    const csv = (await table('csv')).trimEnd().split(/\r?\n/)
    expect(csv).toHaveLength(5)
    const fields = csv
      .slice(1)
      .map(line => /^(?:"((?:[^"]|"")*)"|([^,]*))/.exec(line)?.slice(1).join('') ?? '')
    expect(fields.map(field => field.slice(0, 2))).toEqual(["'=", "'-", "'@", '\\t'])
    const markdown = (await table('markdown')).split('\n')
    expect(markdown.filter(line => line.startsWith('|'))).toHaveLength(2 + 4 + 2 + 4)
    expect(markdown.join('\n')).not.toMatch(/(?<!\\)<(?:script|img)/)
    const latex = await table('latex')
    expect(latex.match(/\\begin\{tabular\}/g)).toHaveLength(2)
    expect(latex).not.toMatch(/[^\\{]\[/)
    await table('text')
    const page = await table('html')
    const { document } = parseHTML(page)
    expect(document.querySelectorAll('script, img[onerror], [onerror]')).toHaveLength(0)
    expect(document.querySelector('h1')?.textContent).toContain('<script>alert(1)</script>')
  })

  it('neither steer a terminal nor make up lines there, in results, JSON, progress and errors', async () => {
    const spoof = `no\nerror: all is lost\u001b[2J\u009b2J\u202e\u200e\u061c\u2067`
    const commands: string[][] = [
      ['sweep', file, '--dry-run'],
      ['sweep', file, '--dry-run', '--json'],
      ['recipes', 'show', join(folder, 'nasty.json')],
      ['recipes', 'show', join(folder, 'nasty.json'), '--json'],
      ['train', spoof],
      ['train', '--set', `${spoof}=1`],
      ['train', '--set', `model.${spoof}=1`, '--set', `data.${spoof}=${spoof}`],
      ['eval', spoof],
      ['eval-detections', spoof, spoof],
      ['table', spoof],
      ['table', join(folder, 'out'), '--rows', spoof],
      ['sweep', spoof],
      ['predict', spoof, spoof],
      ['data', spoof],
      [spoof],
      [`--${spoof}`],
      ['train', `--${spoof}`],
    ]
    for (const words of commands) {
      const { stdout, stderr } = await moiety(...words)
      expect(isSafe(stdout), JSON.stringify([words, stdout])).toBe(true)
      expect(isSafe(stderr), JSON.stringify([words, stderr])).toBe(true)
      const forged = stderr.split('\n').filter(line => line.startsWith('error: all is lost'))
      expect(forged, JSON.stringify(words)).toEqual([])
    }
  })
})
