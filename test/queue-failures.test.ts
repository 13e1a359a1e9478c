import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lockOwner } from '../src/run/lock.ts'
import {
  data,
  enqueue,
  file,
  folder,
  heldWorker,
  newDatabase,
  one,
  parentOf,
  runsOf,
  single,
  startQueues,
  trainerOf,
  until,
  worker,
  writeSweep,
} from './queue-runs.ts'
import { hasRedis, startRedis, type TestRedis } from './redis.ts'
import { command, fingerprint, moiety, start } from './tiny.ts'

/** Queues where something is missing or fails, with a real Redis on loopback: what is told, and how it ends. */
let redis: TestRedis
const newQueue = (): string => newDatabase(redis)

describe.runIf(hasRedis)('a queue', () => {
  beforeAll(async () => {
    redis = await startQueues()
  })
  afterAll(async () => await redis?.stop())

  it('queues a relative folder of data by its whole path', async () => {
    const sweep = join(folder, 'relative')
    const words = ['sweep', single, '--out', sweep, '--queue', newQueue(), '--detach', '--data', 'data']
    const { code, stderr } = await start(words, process.execPath, [command], {}, folder).ended
    expect(code, stderr).toBe(0)
    const [recipe = ''] = readdirSync(join(sweep, 'recipes'))
    expect(readFileSync(join(sweep, 'recipes', recipe), 'utf8')).toContain(JSON.stringify(data))
  })

  it('a worker that is stopped while Redis is away leaves a checkpoint and ends', async () => {
    const queue = newQueue()
    const sweep = await enqueue(single, 'left', queue)
    const left = heldWorker(queue)
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    const idle = worker(queue)
    await until(() => idle.said().includes('Worker '))
    try {
      await redis.kill()
      for (const { said } of [left, idle]) await until(() => said().includes('the queue is away'))
      // Tries come 0.1 s apart, then 0.2 s and so on, the fifth after 1.5 s, the sixth after 2.1 s: between the two.
      await pause(1800)
      left.child.kill('SIGTERM')
      idle.child.kill('SIGTERM')
      left.release()
      expect((await idle.ended).code).toBe(143)
      const { code, stderr } = await left.ended
      expect(code, stderr).toBe(143)
      expect(stderr).toContain('it returns the runs to the queue after a while')
      expect(lockOwner(join(sweep, name))).toBeUndefined()
      expect(fingerprint(join(sweep, name)).step).toBeGreaterThan(0)
    } finally {
      await redis.restart()
    }
  })

  it('a Redis that refuses to write is an error that says what it answered, for a worker and for who queues', async () => {
    const place = mkdirSync(join(folder, 'redis-refusing'), { recursive: true })!
    const own = await startRedis(place, () => ['--min-replicas-to-write', '1'])
    try {
      const queue = `redis://127.0.0.1:${own.port}`
      const working = worker(queue)
      const sweep = join(folder, 'refused')
      const queueing = start(['sweep', single, '--out', sweep, '--queue', queue])
      for (const { code, stderr } of [await working.ended, await queueing.ended]) {
        expect(code, stderr).toBe(2)
        expect(stderr).toMatch(/it replied NOREPLICAS .*\n {2}at redis:.*\n {2}help: /)
        expect(stderr.match(/NOREPLICAS/g)).toHaveLength(1)
        expect(stderr).not.toContain('bug in Moiety')
      }
    } finally {
      await own.stop()
    }
  })

  it.concurrent('a run that fails comes again as often as the sweep says, ends then, and is told in the table', async () => {
    const queue = newQueue()
    const failing = writeSweep('failing', {
      grid: { 'optimizer.learningRate': [1000] },
      set: { 'optimizer.name': 'sgd', 'training.epochs': 1 },
      seeds: [1],
      retries: 1,
    })
    const sweep = await enqueue(failing, 'failing', queue)
    const followed = start(['sweep', failing, '--out', sweep, '--queue', queue])
    const ended = await worker(queue, '--until-empty').ended
    expect(ended.code, ended.stderr).toBe(0)
    expect(ended.stderr).toContain('it comes again after the others')
    const { code, stdout, stderr } = await followed.ended
    expect(code, stderr).toBe(6)
    expect(stdout).toContain('Ended: 0 of 1 run finished, 1 failed')
    const [failures = ''] = readdirSync(sweep).filter(name => name.startsWith('failures.'))
    const lines = readFileSync(join(sweep, failures), 'utf8').trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line).attempt)).toEqual([1, 2])
    const table = await moiety('table', sweep)
    expect(table.stdout).toMatch(/1000 +1 failed/)
  })

  it.concurrent('a run whose workers vanish again and again is ended, and told in the table', async () => {
    const queue = newQueue()
    const deadly = writeSweep('deadly', { grid: {}, seeds: [3], set: { 'training.epochs': 1000 } })
    const sweep = await enqueue(deadly, 'deadly', queue)
    for (let killed = 0; killed < 4; killed++) {
      const victim = worker(queue)
      const trainer = await until(() => {
        const pid = runsOf(sweep).flatMap(name => lockOwner(join(sweep, name))?.pid ?? [])[0]
        return pid !== undefined && parentOf(pid) === victim.child.pid ? pid : undefined
      })
      // Neither may do anything about the end of the other.
      victim.child.kill('SIGSTOP')
      process.kill(trainer, 'SIGKILL')
      victim.child.kill('SIGKILL')
      await victim.ended
    }
    const { code, stderr } = await worker(queue, '--until-empty').ended
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('more than 3 workers vanished while they trained it')
    const table = await moiety('table', sweep)
    expect(table.stdout).toContain('1 failed')
  })

  it('a worker on a machine without the folder, or without what was planned, trains nothing and says why', async () => {
    const queue = newQueue()
    const sweep = await enqueue(one, 'away', queue)
    const { code, stderr } = await worker(queue, '--sweeps', join(folder, 'nowhere')).ended
    expect(code, stderr).toBe(2)
    expect(stderr).toContain('it is not on this machine')
    expect(stderr).toContain('--sweeps DIR')
    expect(stderr).toContain('it comes again after the others')
    // Nor does it train what somebody has put into the recipes since.
    for (const name of readdirSync(join(sweep, 'recipes'))) {
      const recipe = join(sweep, 'recipes', name)
      writeFileSync(recipe, readFileSync(recipe, 'utf8').replace('"epochs": 6', '"epochs": 5'))
    }
    const misled = await worker(queue, '--until-empty').ended
    expect(misled.stderr).toContain('the recipe of the run is not the one that the sweep has planned')
    expect(runsOf(sweep)).toEqual([])
  })

  it('says what is wrong where nothing answers', async () => {
    const nobody = await moiety('worker', '--queue', 'redis://127.0.0.1:1')
    expect(nobody.code).toBe(2)
    expect(nobody.stderr).toMatch(
      /expected a Redis there, got .*ECONNREFUSED[\s\S]*at redis:\/\/127.0.0.1:1\/0[\s\S]*help: check host/,
    )
    const nowhere = await moiety(
      'sweep',
      file,
      '--out',
      join(folder, 'none'),
      '--queue',
      'redis://127.0.0.1:1',
    )
    expect(nowhere.code).toBe(2)
  })
})
