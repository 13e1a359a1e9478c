import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { hasInvisible } from '../base/escaping.ts'
import { kubernetesManifest } from './emit-kubernetes.ts'
import { slurmFiles, slurmScript } from './emit-slurm.ts'

const sandbox = mkdtempSync(join(tmpdir(), 'moiety-emit-'))
afterAll(() => rmSync(sandbox, { recursive: true, force: true }))

const hostile = [
  'a\ntouch owned\n',
  'a\r\ntouch owned',
  "'; touch owned; '",
  '$(touch owned)',
  '`touch owned`',
  '\\\ntouch owned',
  "\u2028\n'\ntouch owned #",
  'a\u202eb\u0085touch owned',
  '*',
]

describe('files for clusters', () => {
  it.each(hostile)('a script for Slurm has %j as a word, and runs nothing of it', text => {
    const folder = mkdtempSync(join(sandbox, 'slurm-'))
    const [bin, work] = [join(folder, 'bin'), join(folder, 'work')]
    for (const path of [bin, work]) mkdirSync(path)
    // A replacement for Node that records its arguments.
    writeFileSync(join(bin, 'node'), `#!/bin/bash\nprintf '%s\\0' "$@" > '${folder}/words'\n`, {
      mode: 0o755,
    })
    const script = slurmScript({
      title: text,
      name: 'tiny',
      folder: '/runs',
      runs: [text, 'other'],
      jobs: 1,
      threads: 1,
      words: ['node', 'sweep', text, '--out', `/runs/${text}`, '--data', text],
    })
    const { status, stderr } = spawnSync('bash', ['--norc', '-c', script], {
      cwd: work,
      encoding: 'utf8',
      env: { PATH: `${bin}:${process.env.PATH}`, SLURM_ARRAY_TASK_ID: '0', LC_ALL: 'C' },
    })
    expect([status, stderr]).toEqual([0, ''])
    expect(readdirSync(work)).toEqual([])
    const words = readFileSync(join(folder, 'words'), 'utf8').split('\0').slice(0, -1)
    expect(words).toEqual(
      ['sweep', text, '--out', `/runs/${text}`, '--data', text].concat(['--run', text, '--threads', '1']),
    )
    expect(hasInvisible(script.replaceAll('\n', ''))).toBe(false)
    expect(script.split('\n')[1]).toMatch(/^# /)
    expect(script.split('\n')[2]).toMatch(/^# Submit it/)
  })

  it.each(hostile)('a manifest for Kubernetes has %j as a value only', text => {
    const sweep = { name: 'tiny', title: text, values: [`---\n${text}`] }
    const manifest = kubernetesManifest({
      title: text,
      name: 'tiny',
      image: text,
      runs: 2,
      jobs: 1,
      threads: 1,
      retries: 1,
      sweep: { sweep, recipe: { [text]: text } },
      hasData: false,
    })
    const documents = parseAllDocuments(manifest)
    expect(documents.flatMap(({ errors }) => errors)).toEqual([])
    const [config, job] = documents.map(document => document.toJS() as Record<string, unknown>)
    expect(documents).toHaveLength(2)
    const data = config?.data as Record<string, string>
    expect(Object.keys(data)).toEqual(['sweep.json', 'recipe.json'])
    expect([JSON.parse(data['sweep.json'] ?? ''), JSON.parse(data['recipe.json'] ?? '')]).toEqual([
      sweep,
      { [text]: text },
    ])
    expect(job?.kind).toBe('Job')
    expect(hasInvisible(manifest.replaceAll('\n', ''))).toBe(false)
  })

  const jobOf = (count: number, folder = '/runs') => ({
    ...{ title: 'Many', name: 'many', folder, jobs: 8, threads: 1, words: ['node', 'main.js'] },
    runs: Array.from({ length: count }, (_, i) => `run-${i}`),
  })
  const arrayOf = (text: string) => /^#SBATCH --array=(.*)$/m.exec(text)?.[1]

  it.each([
    [1001, 1001, ['0-1000%8']],
    [1002, 1001, ['0-500%8', '0-500%8']],
    [2500, 1001, ['0-833%8', '0-833%8', '0-831%8']],
    [7, 3, ['0-2%3', '0-2%3', '0-0%1']],
  ])('%d runs in arrays of at most %d tasks', (count, limit, arrays) => {
    const job = jobOf(count)
    const files = slurmFiles(job, limit)
    const scripts = files.filter(({ text }) => arrayOf(text) !== undefined)
    expect(files.map(({ name }) => name)).toEqual(
      arrays.length === 1
        ? ['slurm.sh']
        : ['slurm-submit.sh', ...arrays.map((_, part) => `slurm-${part + 1}.sh`)],
    )
    expect(scripts.map(({ text }) => arrayOf(text))).toEqual(arrays)
    const named = scripts.flatMap(({ text }) => text.match(/^ {2}run-\d+$/gm)?.map(line => line.trim()) ?? [])
    expect(named).toEqual(job.runs)
  })

  it('arrays are submitted one after the other, whatever the name of the folder', () => {
    const folder = mkdtempSync(join(sandbox, "it's a $(touch owned) "))
    const bin = mkdtempSync(join(sandbox, 'bin-'))
    const log = join(bin, 'log')
    const number = `number=$(($(cat '${log}' 2> /dev/null | wc -l) + 70))`
    writeFileSync(
      join(bin, 'sbatch'),
      `#!/bin/bash\n${number}\nprintf '%s|' "$@" >> '${log}'\necho >> '${log}'\necho "$number;cluster"\n`,
      { mode: 0o755 },
    )
    const [submit] = slurmFiles(jobOf(7, folder), 3)
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', submit!.text], {
      cwd: folder,
      encoding: 'utf8',
      env: { PATH: `${bin}:${process.env.PATH}`, LC_ALL: 'C' },
    })
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toBe('slurm-1.sh: job 70\nslurm-2.sh: job 71\nslurm-3.sh: job 72\n')
    expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual([
      `--parsable|${folder}/slurm-1.sh|`,
      `--parsable|--dependency=afterany:70|${folder}/slurm-2.sh|`,
      `--parsable|--dependency=afterany:71|${folder}/slurm-3.sh|`,
    ])
    expect(readdirSync(folder)).toEqual([])
  })
})
