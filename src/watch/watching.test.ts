import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { acquireLock, type FoundLock } from '../run/lock.ts'
import { curvesOf } from './answers.ts'
import { differingKeys, leavesOf } from './differences.ts'
import { findRuns, watchedFolders } from './find-runs.ts'
import { HeartbeatWatch } from './heartbeat-watch.ts'
import type { RunRow } from './protocol.ts'
import { StepRate } from './rate.ts'
import { Watcher } from './watcher.ts'

const outer = mkdtempSync(join(tmpdir(), 'moiety-watch-'))
const root = join(outer, 'runs')
afterAll(() => rmSync(outer, { recursive: true }))
beforeEach(() => {
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
})

function writeRun(
  name: string,
  { files = {}, config = {} }: { files?: Record<string, unknown>; config?: object } = {},
): string {
  const path = join(root, name)
  mkdirSync(path, { recursive: true })
  const all = {
    'config.json': {
      seed: 1,
      data: { directory: '/home/somebody/data' },
      training: { epochs: 4, batch: 32 },
      ...config,
    },
    'environment.json': { recipe: 'sample' },
    ...files,
  }
  for (const [file, content] of Object.entries(all))
    writeFileSync(join(path, file), typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const step = (number: number): string =>
  `${JSON.stringify({ kind: 'step', step: number, epoch: 0, loss: 1 })}\n`
const epoch = (number: number, split: string, more: object = {}): string =>
  `${JSON.stringify({ kind: 'epoch', epoch: number, step: 10 * (number + 1), split, loss: 1, seconds: 5, layers: [], ...more })}\n`

async function rows(watcher?: Watcher): Promise<Record<string, RunRow>> {
  const own = watcher ?? new Watcher(await watchedFolders([root]), () => true, { searchInterval: 0 })
  await own.look()
  return Object.fromEntries(own.overview.runs.map(row => [row.name, row]))
}

describe('the state of a run', () => {
  it('is what its folder says', async () => {
    writeRun('finished', {
      files: { 'summary.json': { measures: { top1: 0.5 }, split: 'val' }, 'metrics.jsonl': step(40) },
    })
    writeRun('stopped', { files: { 'metrics.jsonl': step(7) } })
    const preparing = acquireLock(writeRun('preparing'))
    const training = acquireLock(
      writeRun('training', { files: { 'metrics.jsonl': step(3), 'plan.json': { stepsPerEpoch: 10 } } }),
    )
    const left = writeRun('crashed', { files: { 'metrics.jsonl': step(9) } })
    // A process that has ended, of this machine and boot.
    const owner = { ...JSON.parse(readFileSync(training.path, 'utf8')), pid: 4_000_000 }
    writeFileSync(join(left, `run.lock.${hostname()}.4000000.x`), JSON.stringify(owner))
    writeRun('failed', { files: { 'config.json': '{"training"', 'metrics.jsonl': '' } })
    try {
      const found = await rows()
      expect(Object.fromEntries(Object.entries(found).map(([name, { state }]) => [name, state]))).toEqual(
        Object.fromEntries(Object.keys(found).map(name => [name, name])),
      )
      expect(found.crashed?.why).toMatch(/ended without releasing/)
      expect(found.finished?.score).toEqual({ name: 'top1', label: 'top-1', value: 0.5, split: 'val' })
      expect(found.training).toMatchObject({ step: 3, steps: 40, epochs: 4, epoch: 0 })
    } finally {
      preparing.release()
      training.release()
    }
  })

  it('of a copy of a run that trains is crashed, for the heartbeat in it stands still', async () => {
    const lock = acquireLock(writeRun('own', { files: { 'metrics.jsonl': step(3) } }))
    cpSync(join(root, 'own'), join(root, 'copy'), { recursive: true })
    const hourAgo = Date.now() / 1000 - 3600
    for (const name of readdirSync(join(root, 'copy'))) utimesSync(join(root, 'copy', name), hourAgo, hourAgo)
    try {
      const found = await rows()
      expect([found.own?.state, found.copy?.state]).toEqual(['training', 'crashed'])
    } finally {
      lock.release()
    }
  })

  it('changes nothing in its folder', async () => {
    const lock = acquireLock(writeRun('run', { files: { 'metrics.jsonl': `${step(1)}{"kind` } }))
    const all = (): string[] =>
      readdirSync(root, { recursive: true })
        .map(String)
        .filter(name => !name.includes('run.lock'))
        .map(name => `${name} ${statSync(join(root, name)).mtimeMs}`)
    const before = all()
    const watcher = new Watcher(await watchedFolders([root]), () => true, { searchInterval: 0 })
    await rows(watcher)
    for (const { id } of watcher.overview.runs) watcher.logs.demand(watcher.run(id)!)
    await rows(watcher)
    expect(all()).toEqual(before)
    lock.release()
  })
})

describe('a heartbeat', () => {
  const lock = (beat: string): FoundLock => ({
    path: 'lock',
    owner: { pid: 1, host: 'a', started: null, beat },
  })

  it('counts as silent after 30 seconds, and as unknown where nothing is known yet', () => {
    const watch = new HeartbeatWatch()
    expect(watch.look(lock('1'), 60, 0)).toBe('unknown')
    expect(watch.look(lock('2'), 60, 5)).toBe('beats')
    expect(watch.look(lock('2'), 60, 34)).toBe('beats')
    expect(watch.look(lock('2'), 60, 35)).toBe('silent')
    expect(watch.look(lock('3'), 60, 36)).toBe('beats')
    expect(new HeartbeatWatch().look(lock('1'), 700, 0)).toBe('silent')
    expect(new HeartbeatWatch().look(lock('1'), 3, 0)).toBe('beats')
  })
})

describe('runs', () => {
  it('are found at any depth, also when they begin later, and go when they are removed', async () => {
    const watcher = new Watcher(await watchedFolders([root]), () => true, { searchInterval: 0 })
    expect(await rows(watcher)).toEqual({})
    writeRun('a/b/c')
    writeRun('d')
    mkdirSync(join(root, 'd', 'checkpoints'))
    expect(Object.keys(await rows(watcher))).toEqual(['a/b/c', 'd'])
    rmSync(join(root, 'd'), { recursive: true })
    expect(Object.keys(await rows(watcher))).toEqual(['a/b/c'])
  })

  it('are those of a sweep, with the planned ones and why one failed', async () => {
    const planned = ['x', 'y', '..'].map((name, i) => ({
      name,
      hash: '0'.repeat(64),
      seed: 1,
      values: { lr: i },
    }))
    const record = {
      ...{ format: 1, name: 's', title: 's', description: '', recipe: 'r', seeds: [1], baseline: null },
      axes: [{ label: 'lr', key: 'optimizer.learningRate', values: [0, 1] }],
      runs: planned,
    }
    writeRun('s/x')
    writeFileSync(join(root, 's', 'sweep.json'), JSON.stringify(record))
    const failure = { run: 'x', exitCode: 4, signal: null, message: 'the loss is NaN', attempt: 1, when: '' }
    writeFileSync(join(root, 's', 'failures.jsonl'), `${JSON.stringify(failure)}\n`)
    const found = await rows()
    expect(Object.keys(found)).toEqual(['s/x', 's/y'])
    expect(found['s/x']).toMatchObject({ state: 'failed', why: 'the loss is NaN', values: { lr: '0' } })
    expect(found['s/y']).toMatchObject({ state: 'planned', values: { lr: '1' } })
  })

  it('are not those that a link leads to, and a link in the place of a folder shows nothing', async () => {
    mkdirSync(join(outer, 'elsewhere'), { recursive: true })
    writeFileSync(join(outer, 'elsewhere', 'config.json'), '{}')
    writeFileSync(join(outer, 'elsewhere', 'metrics.jsonl'), step(1))
    symlinkSync(join(outer, 'elsewhere'), join(root, 'link'))
    writeRun('run', { files: { 'metrics.jsonl': step(5) } })
    const watcher = new Watcher(await watchedFolders([root]), () => true, { searchInterval: 1e9 })
    expect(Object.keys(await rows(watcher))).toEqual(['run'])
    rmSync(join(root, 'run'), { recursive: true })
    symlinkSync(join(outer, 'elsewhere'), join(root, 'run'))
    expect(await rows(watcher)).toEqual({})
  })

  it('have the score and the alarm of their newest test, however far back it is', async () => {
    const alarm = `${JSON.stringify({ kind: 'alarm', epoch: 1, step: 20, layer: 'layer4', starved: [0], message: 'collapsed' })}\n`
    const many = Array.from({ length: 5000 }, (_, i) => step(21 + i)).join('')
    const log = epoch(0, 'val', { top1: 0.1 }) + epoch(1, 'val', { top1: 0.25 }) + alarm + many
    writeRun('run', { files: { 'metrics.jsonl': log } })
    const watcher = new Watcher(await watchedFolders([root]), () => true, { searchInterval: 0 })
    const first = await rows(watcher)
    expect(first.run).toMatchObject({
      step: 5020,
      score: { value: 0.25, split: 'val' },
      alarm: 'layer4: collapsed',
    })
    appendFileSync(join(root, 'run', 'metrics.jsonl'), epoch(600, 'val', { top1: 0.5 }))
    expect((await rows(watcher)).run).toMatchObject({ score: { value: 0.5 }, alarm: null })
  })

  it('that are not there, or are files, are refused with what to do', async () => {
    await expect(watchedFolders([join(root, 'none')])).rejects.toThrow(/there is no .*none/)
    writeFileSync(join(root, 'file'), '')
    await expect(watchedFolders([join(root, 'file')])).rejects.toThrow(/it is a file/)
    expect(await watchedFolders([root, `${root}/`])).toHaveLength(1)
    expect((await findRuns(await watchedFolders([root]))).runs).toEqual([])
  })
})

describe('logs that the page shows', () => {
  it('are read whole as far as memory suffices; of the others it has single lines', async () => {
    const log = Array.from({ length: 30_000 }, (_, i) => step(i + 1)).join('')
    for (const name of ['a', 'b', 'c']) writeRun(name, { files: { 'metrics.jsonl': log } })
    const watcher = new Watcher(await watchedFolders([root]), () => true, {
      searchInterval: 0,
      memory: 20_000,
    })
    await watcher.look()
    const ids = watcher.overview.runs.map(({ id }) => id)
    const ask = () =>
      curvesOf(
        watcher,
        ids.map(id => ({ id, generation: -1, width: 0, since: 0 })),
        false,
      )
    await expect.poll(async () => Object.values(await ask()).filter(({ isWhole }) => isWhole).length).toBe(1)
    const found = Object.values(await ask())
    expect(found.map(({ steps }) => steps.at(-1))).toEqual([30_000, 30_000, 30_000])
    for (const { steps } of found) expect(steps.length).toBeGreaterThan(100)
    watcher.stop()
  })
})

describe('differences', () => {
  it('are the keys with several values, those of the axes first; of paths the last name', () => {
    const a = leavesOf({
      seed: 1,
      data: { directory: '/home/me/a' },
      moe: [{ k: 2, constraint: { name: 'none' } }],
    })
    const b = leavesOf({
      seed: 2,
      data: { directory: '/home/you/a' },
      moe: [{ k: 2, constraint: { name: 'kl', weight: 1 } }],
    })
    expect([...a]).toEqual([
      ['seed', '1'],
      ['data.directory', 'a'],
      ['moe.0.k', '2'],
      ['moe.0.constraint.name', 'none'],
    ])
    expect(differingKeys([a, b])).toEqual(['seed', 'moe.0.constraint.name', 'moe.0.constraint.weight'])
    expect(differingKeys([a, b], ['moe.0.constraint.name'])[0]).toBe('moe.0.constraint.name')
    expect(differingKeys([a, a])).toEqual([])
    expect(differingKeys([])).toEqual([])
  })
})

describe('the rate of steps', () => {
  it('is the median over time, so that a test between two steps does not count', () => {
    const rate = new StepRate()
    rate.see(10, 0)
    expect(rate.perSecond).toBeUndefined()
    for (const [number, at] of [
      [12, 1],
      [14, 2],
      [16, 3],
      [17, 4],
      [20, 5],
      [22, 6],
    ] as const)
      rate.see(number, at)
    expect(rate.perSecond).toBe(2)
    // Steps taken again after a resume replace the earlier ones.
    rate.see(5, 10)
    expect(rate.perSecond).toBeUndefined()
  })
})
