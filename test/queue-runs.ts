import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'vitest'
import { lockOwner } from '../src/run/lock.ts'
import { hasRedis, startRedis, type TestRedis } from './redis.ts'
import {
  fingerprint,
  heldAt,
  lastStep,
  moiety,
  newFolder,
  start,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/**
 * Tiny sweeps for tests of queues, and their workers. Events of a worker are triggered by signals, and awaited by what
 * can be seen; nothing here depends on how fast anything is.
 */
if (!hasRedis) process.stderr.write('no redis-server: the tests of queues are left out\n')

/** One of the process; the names in it are given once, in whichever file of tests. */
export const folder = newFolder()
// Small: most of the time goes into beginning, and these tests begin often.
export const data = writeTinyCifar(join(folder, 'data'), { train: 80 })
const training = { epochs: 6, batch: 16, checkpointEvery: { steps: 2 }, keepCheckpoints: 2 }
const grid = { 'model.moe.0.constraint.name': ['importance', 'relative'] }
const model = {
  name: 'resnet18',
  width: 4,
  moe: [{ style: 'resblock', position: 4, experts: 2, k: 2 }],
}
writeRecipe(folder, { ...tinyConfig(data), model, training })

export function writeSweep(name: string, fields: object = {}): string {
  const file = join(folder, `${name}.json`)
  writeFileSync(
    file,
    JSON.stringify({ name, title: 'Tiny', recipe: 'recipe.json', grid, seeds: [1, 2], ...fields }),
  )
  return file
}

export const file = writeSweep('tiny')
/** Two runs of them. */
export const one = writeSweep('one', { seeds: [1] })
/** One run of them. */
export const single = writeSweep('single', {
  exclude: [{ constraint: 'importance' }, { seed: 1 }],
})

export const startQueues = async (): Promise<TestRedis> =>
  await startRedis(mkdtempSync(join(folder, 'redis-')))

let databases = 0
/** The URL of a database that no other test has. */
export const newDatabase = ({ port }: TestRedis): string => `redis://127.0.0.1:${port}/${databases++}`

const wordsOf = (queue: string, words: readonly string[]): string[] => [
  ...['worker', '--queue', queue, '--patience', '2'],
  ...words,
]
export const worker = (queue: string, ...words: string[]) => start(wordsOf(queue, words))

/** A worker whose trainings stop at their third step until they are released. */
export function heldWorker(queue: string, ...words: string[]) {
  const { environment, release } = heldAt(3)
  return { ...start(wordsOf(queue, words), undefined, undefined, environment), release }
}

export async function enqueue(sweepFile: string, name: string, queue: string): Promise<string> {
  const sweep = join(folder, name)
  const { code, stderr, stdout } = await moiety(
    'sweep',
    sweepFile,
    '--out',
    sweep,
    '--queue',
    queue,
    '--detach',
  )
  expect(code, stderr).toBe(0)
  expect(stdout).toContain('queued')
  return sweep
}

export const runsOf = (sweep: string): string[] =>
  (existsSync(sweep) ? readdirSync(sweep) : []).filter(name => existsSync(join(sweep, name, 'config.json')))

export const bits = (sweep: string): Record<string, ReturnType<typeof fingerprint>> =>
  Object.fromEntries(runsOf(sweep).map(name => [name, fingerprint(join(sweep, name))]))

export async function until<T>(what: () => T | undefined | false): Promise<T> {
  for (;;) {
    const found = what()
    if (found !== undefined && found !== false) return found
    await pause(10)
  }
}

/** The process that trains in a run's folder, once it has made so many steps; undefined before. */
export function trainerOf(run: string, steps = 3): number | undefined {
  return lastStep(run) >= steps ? lockOwner(run)?.pid : undefined
}

/** The process that started this one; undefined once it has gone, as a trainer may between its lock being read and this. */
export function parentOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])
  } catch {
    return undefined
  }
}
