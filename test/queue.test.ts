import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lockOwner } from '../src/run/lock.ts'
import { hasRedis, startRedis, type TestRedis } from './redis.ts'
import {
  command,
  fingerprint,
  metricLines,
  moiety,
  newFolder,
  start,
  tinyConfig,
  writeRecipe,
  writeTinyCifar,
} from './tiny.ts'

/**
 * Sweeps on several workers, with a real Redis that these tests start on loopback. What befalls a worker is brought about by
 * signals, and waited for by what can be seen; nothing here depends on how fast anything is.
 */
if (!hasRedis) process.stderr.write('no redis-server: the tests of queues are left out\n')

const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (hasRedis && !hasOpenssl) process.stderr.write('no openssl: the test of a queue with TLS is left out\n')

const folder = newFolder()
// Small: most of the time goes into beginning, and these tests begin often.
const data = writeTinyCifar(join(folder, 'data'), { train: 80 })
const training = { epochs: 6, batch: 16, checkpointEvery: { steps: 2 }, keepCheckpoints: 2 }
const grid = { 'model.moe.0.constraint.name': ['importance', 'relative'] }
const model = {
  name: 'resnet18',
  width: 4,
  moe: [{ style: 'resblock', position: 4, experts: 2, k: 2 }],
}
writeRecipe(folder, { ...tinyConfig(data), model, training })

function writeSweep(name: string, fields: object = {}): string {
  const file = join(folder, `${name}.json`)
  writeFileSync(
    file,
    JSON.stringify({ name, title: 'Tiny', recipe: 'recipe.json', grid, seeds: [1, 2], ...fields }),
  )
  return file
}

const runsOf = (sweep: string): string[] =>
  (existsSync(sweep) ? readdirSync(sweep) : []).filter(name => existsSync(join(sweep, name, 'config.json')))

const bits = (sweep: string): Record<string, ReturnType<typeof fingerprint>> =>
  Object.fromEntries(runsOf(sweep).map(name => [name, fingerprint(join(sweep, name))]))

async function until<T>(what: () => T | undefined | false): Promise<T> {
  for (let waited = 0; ; waited += 10) {
    const found = what()
    if (found !== undefined && found !== false) return found
    if (waited > 300_000) throw new Error(`waited in vain for ${what}`)
    await pause(10)
  }
}

/** The process that trains in a run's folder, once it has made so many steps; undefined before. */
function trainerOf(run: string, steps = 3): number | undefined {
  return metricLines(run) >= steps ? lockOwner(run)?.pid : undefined
}

const parentOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])

/** How often a training of that run came to its end. */
const endings = (sweep: string, run: string): number =>
  readFileSync(join(sweep, 'logs', `${run}.log`), 'utf8').match(/^Done in/gm)?.length ?? 0

const file = writeSweep('tiny')
const one = writeSweep('one', {
  grid: { 'model.moe.0.constraint.name': ['importance', 'relative'] },
  seeds: [1],
})
/** One run of them. */
const single = writeSweep('single', {
  exclude: [{ constraint: 'importance' }, { seed: 1 }],
})
const control = join(folder, 'control')
let redis: TestRedis
let expected: ReturnType<typeof bits>

/** Each test has a database of its own. */
let databases = 0
const newQueue = (): string => `redis://127.0.0.1:${redis.port}/${databases++}`
const worker = (queue: string, ...words: string[]) =>
  start(['worker', '--queue', queue, '--patience', '2', ...words])

async function enqueue(sweepFile: string, name: string, queue: string): Promise<string> {
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

/** Of the runs that a sweep has. */
const expectedOf = (sweep: string) =>
  Object.fromEntries(Object.entries(expected).filter(([name]) => runsOf(sweep).includes(name)))

// They start many trainings, which take long on a machine that others use too.
const longest = 400_000

describe.runIf(hasRedis)('a queue', { timeout: longest }, () => {
  beforeAll(async () => {
    redis = await startRedis(mkdirSync(join(folder, 'redis'), { recursive: true })!)
    const { code, stderr } = await moiety('sweep', file, '--out', control, '--no-trial', '--jobs', '2')
    expect(code, stderr).toBe(0)
    expected = bits(control)
    expect(Object.keys(expected)).toHaveLength(4)
  }, longest)
  afterAll(async () => await redis?.stop())

  it('three workers, one killed in a run, and Redis killed and started again: every run ends once, with the bits of one machine', async () => {
    const own = await startRedis(mkdirSync(join(folder, 'redis-killed'), { recursive: true })!)
    try {
      const queue = `redis://127.0.0.1:${own.port}`
      const sweep = await enqueue(file, 'three', queue)
      const workers = [1, 2, 3].map(() => worker(queue, '--until-empty'))
      const trainer = await until(() =>
        runsOf(sweep)
          .map(name => trainerOf(join(sweep, name)))
          .find(pid => pid !== undefined),
      )
      const victim = workers.find(({ child }) => child.pid === parentOf(trainer))!
      const orphaned = runsOf(sweep).find(name => lockOwner(join(sweep, name))?.pid === trainer)!
      victim.child.kill('SIGKILL')
      expect((await victim.ended).signal).toBe('SIGKILL')
      await own.restart()

      const followed = await moiety('sweep', file, '--out', sweep, '--queue', queue)
      expect(followed.code, followed.stderr).toBe(0)
      expect(followed.stdout).toContain('Done: 4 of 4 runs finished')
      const rest = workers.filter(other => other !== victim)
      for (const { ended } of rest) {
        const { code, stderr } = await ended
        expect(code, stderr).toBe(0)
      }
      const said = rest.map(other => other.said()).join('')
      expect(said).toContain('the queue is back')
      expect(said).toContain(`resumed  ${orphaned}\n`)
      expect(bits(sweep)).toEqual(expected)
      for (const name of runsOf(sweep)) expect(endings(sweep, name)).toBe(1)
      expect(readdirSync(sweep).filter(name => name.startsWith('failures'))).toEqual([])
    } finally {
      await own.stop()
    }
  })

  it('queues a relative folder of data by its whole path', async () => {
    const sweep = join(folder, 'relative')
    const words = ['sweep', single, '--out', sweep, '--queue', newQueue(), '--detach', '--data', 'data']
    const { code, stderr } = await start(words, process.execPath, [command], {}, folder).ended
    expect(code, stderr).toBe(0)
    const [recipe = ''] = readdirSync(join(sweep, 'recipes'))
    expect(readFileSync(join(sweep, 'recipes', recipe), 'utf8')).toContain(JSON.stringify(data))
  })

  it('a worker that is stopped while Redis is away leaves a checkpoint and ends', async () => {
    const own = await startRedis(mkdirSync(join(folder, 'redis-away'), { recursive: true })!)
    const queue = `redis://127.0.0.1:${own.port}`
    const sweep = await enqueue(single, 'left', queue)
    const left = worker(queue)
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    const idle = worker(queue)
    await until(() => idle.said().includes('Worker '))
    await own.kill()
    for (const { said } of [left, idle]) await until(() => said().includes('the queue is away'))
    // From then on they try once a second, and are between two tries when they are stopped.
    await pause(4000)
    left.child.kill('SIGTERM')
    idle.child.kill('SIGTERM')
    expect((await idle.ended).code).toBe(143)
    const { code, stderr } = await left.ended
    expect(code, stderr).toBe(143)
    expect(stderr).toContain('it gives the runs away by itself')
    expect(lockOwner(join(sweep, name))).toBeUndefined()
    expect(fingerprint(join(sweep, name)).step).toBeGreaterThan(0)
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
        expect(stderr).toMatch(/it answered NOREPLICAS .*\n {2}at redis:.*\n {2}help: /)
        expect(stderr.match(/NOREPLICAS/g)).toHaveLength(1)
        expect(stderr).not.toContain('bug in Moiety')
      }
    } finally {
      await own.stop()
    }
  })

  it('a slow worker loses its run to another, which waits until it has stopped; nothing is trained twice', async () => {
    const queue = newQueue()
    const sweep = await enqueue(single, 'slow', queue)
    const slow = worker(queue)
    const trainer = await until(() => runsOf(sweep).flatMap(name => trainerOf(join(sweep, name)) ?? [])[0])
    process.kill(trainer, 'SIGSTOP')
    slow.child.kill('SIGSTOP')
    const other = worker(queue, '--until-empty')
    await until(() => other.said().includes(`waiting  `) && other.said().includes(`process ${trainer}`))
    slow.child.kill('SIGCONT')
    await until(() => slow.said().includes('another goes on with it'))
    process.kill(trainer, 'SIGCONT')
    const { code, stderr } = await other.ended
    expect(code, stderr).toBe(0)
    slow.child.kill('SIGTERM')
    expect((await slow.ended).code).toBe(143)
    expect(runsOf(sweep)).toHaveLength(1)
    expect(bits(sweep)).toEqual(expectedOf(sweep))
    for (const name of runsOf(sweep)) expect(endings(sweep, name)).toBe(1)
  })

  it('a training that ends because another has its lock is no failure of its run, which goes on when that is free', async () => {
    const queue = newQueue()
    const sweep = await enqueue(single, 'taken', queue)
    const working = worker(queue, '--until-empty')
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    const run = join(sweep, name)
    const [own = ''] = readdirSync(run).filter(other => other.startsWith('run.lock.'))
    const theirs = join(run, 'run.lock.elsewhere.12')
    writeFileSync(theirs, JSON.stringify({ pid: 12, host: 'elsewhere', started: null, beat: '000000000001' }))
    rmSync(join(run, own))
    await until(() => working.said().includes('process 12 of elsewhere'))
    rmSync(theirs)
    const { code, stderr } = await working.ended
    expect(code, stderr).toBe(0)
    expect(readFileSync(join(sweep, 'logs', `${name}.log`), 'utf8')).toContain('another took it for dead')
    expect(stderr).toContain(`stopped  ${name}`)
    expect(stderr).toContain(`resumed  ${name}`)
    expect(readdirSync(sweep).filter(other => other.startsWith('failures'))).toEqual([])
    expect(bits(sweep)).toEqual(expectedOf(sweep))
  })

  it('a worker that is interrupted hands its run back after a checkpoint, and the next goes on with it', async () => {
    const queue = newQueue()
    const sweep = await enqueue(one, 'interrupted', queue)
    const first = worker(queue)
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    first.child.kill('SIGINT')
    const { code, stderr } = await first.ended
    expect(code, stderr).toBe(130)
    expect(stderr).toContain(`stopped  ${name}`)
    expect(lockOwner(join(sweep, name))).toBeUndefined()
    const { step } = fingerprint(join(sweep, name))
    expect(step).toBeGreaterThan(0)
    expect(step).toBeLessThan(30)

    const next = await worker(queue, '--until-empty').ended
    expect(next.code, next.stderr).toBe(0)
    // It is the next in the queue, before what has waited longer.
    expect(next.stderr.match(/^(started|resumed) .*/gm)?.[0]).toBe(`resumed  ${name}`)
    expect(bits(sweep)).toEqual(expectedOf(sweep))
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
      victim.child.kill('SIGKILL')
      process.kill(trainer, 'SIGKILL')
      await victim.ended
    }
    const { code, stderr } = await worker(queue, '--until-empty').ended
    expect(code, stderr).toBe(0)
    expect(stderr).toContain('more than 3 workers vanished while they trained it')
    const table = await moiety('table', sweep)
    expect(table.stdout).toContain('1 failed')
  })

  it('a run whose folder or data is nowhere is tried as often as its sweep says, and keeps no good run waiting', async () => {
    const queue = newQueue()
    const removed = await enqueue(single, 'removed', queue)
    rmSync(removed, { recursive: true })
    const missing = join(folder, 'no-data')
    const lacking = writeSweep('lacking', { grid: {}, seeds: [9], set: { 'data.directory': missing } })
    const sweep = await enqueue(lacking, 'lacking', queue)
    const good = await enqueue(single, 'good', queue)
    const first = await worker(queue).ended
    expect(
      [first.code, first.stderr.match(/on this machine it is not there/g)?.length],
      first.stderr,
    ).toEqual([3, 1])
    expect(first.stderr).toContain('the data of a run cannot be read')
    // The good run is now before both.
    const second = await worker(queue, '--until-empty').ended
    expect(second.code, second.stderr).toBe(3)
    const rest = await worker(queue, '--until-empty').ended
    expect(rest.code, rest.stderr).toBe(0)
    expect(bits(good)).toEqual(expectedOf(good))
    expect(runsOf(good)).toHaveLength(1)
    expect(`${second.stderr}${rest.stderr}`.match(/on this machine it is not there/g)).toHaveLength(1)
    const [failures = ''] = readdirSync(sweep).filter(name => name.startsWith('failures.'))
    const lines = readFileSync(join(sweep, failures), 'utf8').trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line)).map(({ attempt, exitCode }) => [attempt, exitCode])).toEqual([
      [1, 3],
      [2, 3],
    ])
  })

  it('a worker on a machine without the folder, or without what was planned, trains nothing and says why', async () => {
    const queue = newQueue()
    const sweep = await enqueue(one, 'away', queue)
    const { code, stderr } = await worker(queue, '--sweeps', join(folder, 'nowhere')).ended
    expect(code, stderr).toBe(2)
    expect(stderr).toContain('on this machine it is not there')
    expect(stderr).toContain('--sweeps DIR')
    expect(stderr).toContain('it comes again after the others')
    // Nor does it train what somebody has put into the recipes since.
    for (const name of readdirSync(join(sweep, 'recipes'))) {
      const recipe = join(sweep, 'recipes', name)
      writeFileSync(recipe, readFileSync(recipe, 'utf8').replace('"epochs": 6', '"epochs": 5'))
    }
    const misled = await worker(queue, '--until-empty').ended
    expect(misled.stderr).toContain('what is to be trained is not what the sweep has planned')
    expect(runsOf(sweep)).toEqual([])
  })

  it.runIf(hasOpenssl)('a password and TLS work, and the password is seen nowhere', async () => {
    const secret = 'p@ss/w:rd%#1'
    const place = join(folder, 'redis-tls')
    const ca = makeCertificate(place)
    const tls = await startRedis(place, port => [
      ...['--port', '0', '--tls-port', String(port), '--tls-auth-clients', 'no', '--requirepass', secret],
      ...['--tls-cert-file', ca, '--tls-key-file', join(place, 'key.pem'), '--tls-ca-cert-file', ca],
    ])
    try {
      const urlOf = (password: string) => `rediss://:${encodeURIComponent(password)}@127.0.0.1:${tls.port}/0`
      const url = urlOf(secret)
      const trusting = { NODE_EXTRA_CA_CERTS: ca }
      const launch = (environment: NodeJS.ProcessEnv, ...words: string[]) =>
        start(words, process.execPath, [command], environment)
      const said: string[] = []
      const urlFile = join(folder, 'queue.url')
      writeFileSync(urlFile, `${url}\n`)

      // By a file, by the command line, by the environment.
      const sweep = join(folder, 'secret')
      const sent = ['sweep', single, '--out', sweep, '--detach', '--queue-file', urlFile]
      const queued = await launch(trusting, ...sent).ended
      expect(queued.code, queued.stderr).toBe(0)
      const watching = launch(trusting, 'worker', '--queue', url)
      const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run), 1) !== undefined))
      const trainer = trainerOf(join(sweep, name), 1)!
      for (const pid of [watching.child.pid!, trainer])
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(String(tls.port))
      watching.child.kill('SIGTERM')
      expect((await watching.ended).code).toBe(143)
      const environment = { ...trusting, MOIETY_QUEUE: url }
      const last = launch(environment, 'worker', '--until-empty')
      const other = await until(() => trainerOf(join(sweep, name), 1))
      const inherited = readFileSync(`/proc/${other}/environ`, 'utf8')
      expect(inherited).toContain('MOIETY_SWEEP=1')
      expect(inherited).not.toContain('MOIETY_QUEUE')
      expect((await last.ended).code).toBe(0)
      expect(bits(sweep)).toEqual(expectedOf(sweep))

      const wrong = await launch(trusting, 'worker', '--queue', urlOf('wr0ng/secret')).ended
      expect(wrong.code).toBe(2)
      expect(wrong.stderr).toContain('the Redis refuses the user or password')
      const none = await launch(trusting, 'worker', '--queue', `rediss://127.0.0.1:${tls.port}`).ended
      expect(none.stderr).toContain('or wants one that the URL does not have')
      const distrusting = await launch({}, 'worker', '--queue', url).ended
      expect(distrusting.code).toBe(2)
      expect(distrusting.stderr).toContain('NODE_EXTRA_CA_CERTS')
      const malformed = await moiety('worker', '--queue', `redis://:${secret}@127.0.0.1:${tls.port}`)
      expect(malformed.code).toBe(2)
      expect(malformed.stderr).toContain('written %25 %2F')

      const misplaced = await moiety('worker', '--queue-file', url)
      expect(misplaced.code).toBe(2)
      expect(misplaced.stderr).toMatch(/expected a file .*\n {2}at --queue-file\n/)
      const mistyped = await moiety('worker', `--queu=${urlOf('wr0ng/secret')}`)
      expect(mistyped.code).toBe(2)
      expect(mistyped.stderr).toContain(`rediss://…@127.0.0.1:${tls.port}`)
      const misread = await moiety('sweep', url, '--queue')
      expect(misread.code).toBe(2)

      for (const ended of [
        misplaced,
        mistyped,
        misread,
        queued,
        await watching.ended,
        await last.ended,
        wrong,
        none,
        distrusting,
        malformed,
      ])
        said.push(ended.stdout, ended.stderr)
      for (const path of readdirSync(sweep, { recursive: true, withFileTypes: true }))
        if (path.isFile()) said.push(readFileSync(join(path.parentPath, path.name), 'latin1'))
      for (const text of said)
        for (const part of [secret, encodeURIComponent(secret), 'wr0ng', 'w:rd'])
          expect(text).not.toContain(part)
    } finally {
      await tls.stop()
    }
  })

  it('says what is wrong where nothing answers, or BullMQ is not installed', async () => {
    const nobody = await moiety('worker', '--queue', 'redis://127.0.0.1:1')
    expect(nobody.code).toBe(2)
    expect(nobody.stderr).toMatch(
      /expected a Redis there, came .*ECONNREFUSED[\s\S]*at redis:\/\/127.0.0.1:1\/0[\s\S]*help: check host/,
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

    const bare = withoutBullmq()
    const { code, stderr } = await start(['worker', '--queue', newQueue()], process.execPath, [bare]).ended
    expect(code).toBe(2)
    expect(stderr).toContain('needs the packages bullmq and ioredis, which are not installed')
    expect(stderr).toContain('npm install bullmq ioredis')
  })
})

/** A certificate for loopback, signed by itself; returns its file. */
function makeCertificate(place: string): string {
  mkdirSync(place, { recursive: true })
  const [certificate, key] = [join(place, 'cert.pem'), join(place, 'key.pem')]
  const subject = ['-subj', '/CN=moiety test', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const files = ['-keyout', key, '-out', certificate]
  const words = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const { status, stderr } = spawnSync('openssl', [...words, ...subject, ...files], { encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return certificate
}

/** The built command beside all packages but those; returns its path. */
function withoutBullmq(): string {
  const root = join(folder, 'bare')
  const here = dirname(dirname(dirname(command)))
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  cpSync(join(here, 'dist'), join(root, 'dist'), { recursive: true })
  cpSync(join(here, 'recipes'), join(root, 'recipes'), { recursive: true })
  cpSync(join(here, 'package.json'), join(root, 'package.json'))
  for (const name of readdirSync(join(here, 'node_modules')))
    if (name !== 'bullmq' && name !== 'ioredis')
      symlinkSync(join(here, 'node_modules', name), join(root, 'node_modules', name), 'junction')
  return join(root, 'dist', 'cli', 'main.js')
}
