import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { beginningOf } from './queued-run.ts'

describe('what a worker tells a training of a queued run', () => {
  it.each([
    ['cifar100', '/there', true],
    ['coco', '/there', true],
    ['folder', '/there', false],
    ['scenes', null, false],
    ['sample', null, false],
  ])('%s in %s: whether it gets this machine’s folder is %s', async (name, directory, isPassed) => {
    const sweep = mkdtempSync(join(tmpdir(), 'moiety-queued-'))
    const config = { data: { name, directory }, engine: { threads: 1 }, training: { epochs: 2 } }
    mkdirSync(join(sweep, 'a'))
    writeFileSync(join(sweep, 'a', 'config.json'), JSON.stringify(config))
    const job = { format: 1, folder: sweep, id: '', run: 'a', hash: '' } as const
    const data = [`data.name=${name}`, 'data.directory="/here"']
    const { words } = await beginningOf(sweep, job, { data, threads: 1 })
    expect(words.slice(0, 4)).toEqual(['train', '--resume=auto', '--out', join(sweep, 'a')])
    expect(words.slice(4)).toEqual(isPassed ? ['--set', 'data.directory="/here"'] : [])
  })
})
