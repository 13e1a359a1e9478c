import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { hasInvisible } from '../base/escaping.ts'
import { kubernetesManifest } from './emit-kubernetes.ts'
import { slurmScript } from './emit-slurm.ts'

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
      version: '1',
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
})
