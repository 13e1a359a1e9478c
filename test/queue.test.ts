import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lockOwner } from '../src/run/lock.ts'
import {
  bits,
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
import { command, fingerprint, heldAt, moiety, start } from './tiny.ts'

/**
 * Sweeps on several workers, with a real Redis that these tests start on loopback: whatever befalls a worker, each run ends
 * once, with the bits of one machine. What is told of failures is in queue-failures.test.ts.
 */
const hasOpenssl = spawnSync('openssl', ['version']).status === 0
if (hasRedis && !hasOpenssl) process.stderr.write('no openssl: the test of a queue with TLS is left out\n')

const control = join(folder, 'control')
let redis: TestRedis
let expected: ReturnType<typeof bits>
const newQueue = (): string => newDatabase(redis)

/** Of the runs that a sweep has. */
const expectedOf = (sweep: string) =>
  Object.fromEntries(Object.entries(expected).filter(([name]) => runsOf(sweep).includes(name)))

/** How often a training of that run came to its end. */
const endings = (sweep: string, run: string): number =>
  readFileSync(join(sweep, 'logs', `${run}.log`), 'utf8').match(/^Done in/gm)?.length ?? 0

describe.runIf(hasRedis)('a queue', () => {
  beforeAll(async () => {
    redis = await startQueues()
    const { code, stderr } = await moiety('sweep', file, '--out', control, '--no-trial', '--jobs', '2')
    expect(code, stderr).toBe(0)
    expected = bits(control)
    expect(Object.keys(expected)).toHaveLength(4)
  })
  afterAll(async () => await redis?.stop())

  it('three workers, one killed in a run, and Redis killed and started again: every run ends once, with the bits of one machine', async () => {
    const queue = newQueue()
    const sweep = await enqueue(file, 'three', queue)
    const workers = [1, 2, 3].map(() => heldWorker(queue, '--until-empty'))
    const [trainer, victim] = await until(() => {
      const pid = runsOf(sweep)
        .map(name => trainerOf(join(sweep, name)))
        .find(pid => pid !== undefined)
      const parent = pid === undefined ? undefined : workers.find(({ child }) => child.pid === parentOf(pid))
      return pid !== undefined && parent !== undefined && ([pid, parent] as const)
    })
    const orphaned = runsOf(sweep).find(name => lockOwner(join(sweep, name))?.pid === trainer)!
    victim.child.kill('SIGKILL')
    expect((await victim.ended).signal).toBe('SIGKILL')
    await redis.restart()
    for (const { release } of workers) release()

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
  })

  it('a slow worker loses its run to another, which waits until it has stopped; nothing is trained twice', async () => {
    const queue = newQueue()
    const sweep = await enqueue(single, 'slow', queue)
    const slow = heldWorker(queue)
    const trainer = await until(() => runsOf(sweep).flatMap(name => trainerOf(join(sweep, name)) ?? [])[0])
    process.kill(trainer, 'SIGSTOP')
    slow.child.kill('SIGSTOP')
    const other = worker(queue, '--until-empty')
    await until(() => other.said().includes(`waiting  `) && other.said().includes(`process ${trainer}`))
    slow.child.kill('SIGCONT')
    await until(() => slow.said().includes('another continues with it'))
    slow.release()
    process.kill(trainer, 'SIGCONT')
    const { code, stderr } = await other.ended
    expect(code, stderr).toBe(0)
    slow.child.kill('SIGTERM')
    expect((await slow.ended).code).toBe(143)
    expect(runsOf(sweep)).toHaveLength(1)
    expect(bits(sweep)).toEqual(expectedOf(sweep))
    for (const name of runsOf(sweep)) expect(endings(sweep, name)).toBe(1)
  })

  it('a training that ends because another has its lock is no failure of its run, which continues when that is free', async () => {
    const queue = newQueue()
    const sweep = await enqueue(single, 'taken', queue)
    const working = heldWorker(queue, '--until-empty')
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    const run = join(sweep, name)
    const [own = ''] = readdirSync(run).filter(other => other.startsWith('run.lock.'))
    const theirs = join(run, 'run.lock.elsewhere.12')
    writeFileSync(theirs, JSON.stringify({ pid: 12, host: 'elsewhere', started: null, beat: '000000000001' }))
    rmSync(join(run, own))
    working.release()
    await until(() => working.said().includes('process 12 of elsewhere'))
    rmSync(theirs)
    const { code, stderr } = await working.ended
    expect(code, stderr).toBe(0)
    expect(readFileSync(join(sweep, 'logs', `${name}.log`), 'utf8')).toContain('another took over its lock')
    expect(stderr).toContain(`stopped  ${name}`)
    expect(stderr).toContain(`resumed  ${name}`)
    expect(readdirSync(sweep).filter(other => other.startsWith('failures'))).toEqual([])
    expect(bits(sweep)).toEqual(expectedOf(sweep))
  })

  it('a worker that is interrupted hands its run back after a checkpoint, and the next continues with it', async () => {
    const queue = newQueue()
    const sweep = await enqueue(one, 'interrupted', queue)
    const first = heldWorker(queue)
    const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
    first.child.kill('SIGINT')
    first.release()
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

  it('a run whose folder or data is nowhere is tried as often as its sweep says, and keeps no good run waiting', async () => {
    const queue = newQueue()
    const removed = await enqueue(single, 'removed', queue)
    rmSync(removed, { recursive: true })
    const missing = join(folder, 'no-data')
    const lacking = writeSweep('lacking', { grid: {}, seeds: [9], set: { 'data.directory': missing } })
    const sweep = await enqueue(lacking, 'lacking', queue)
    const good = await enqueue(single, 'good', queue)
    const first = await worker(queue).ended
    expect([first.code, first.stderr.match(/it is not on this machine/g)?.length], first.stderr).toEqual([
      3, 1,
    ])
    expect(first.stderr).toContain('the data of a run cannot be read')
    // The good run is now before both.
    const second = await worker(queue, '--until-empty').ended
    expect(second.code, second.stderr).toBe(3)
    const rest = await worker(queue, '--until-empty').ended
    expect(rest.code, rest.stderr).toBe(0)
    expect(bits(good)).toEqual(expectedOf(good))
    expect(runsOf(good)).toHaveLength(1)
    expect(`${second.stderr}${rest.stderr}`.match(/it is not on this machine/g)).toHaveLength(1)
    const [failures = ''] = readdirSync(sweep).filter(name => name.startsWith('failures.'))
    const lines = readFileSync(join(sweep, failures), 'utf8').trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line)).map(({ attempt, exitCode }) => [attempt, exitCode])).toEqual([
      [1, 3],
      [2, 3],
    ])
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
      const [held, heldLater] = [heldAt(3), heldAt(20)]
      const watching = launch({ ...trusting, ...held.environment }, 'worker', '--queue', url)
      const name = await until(() => runsOf(sweep).find(run => trainerOf(join(sweep, run)) !== undefined))
      const trainer = trainerOf(join(sweep, name))!
      for (const pid of [watching.child.pid!, trainer])
        expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(String(tls.port))
      watching.child.kill('SIGTERM')
      held.release()
      expect((await watching.ended).code).toBe(143)
      const environment = { ...trusting, ...heldLater.environment, MOIETY_QUEUE: url }
      const last = launch(environment, 'worker', '--until-empty')
      const other = await until(() => trainerOf(join(sweep, name), 20))
      const inherited = readFileSync(`/proc/${other}/environ`, 'utf8')
      expect(inherited).toContain('MOIETY_SWEEP=1')
      expect(inherited).not.toContain('MOIETY_QUEUE')
      heldLater.release()
      expect((await last.ended).code).toBe(0)
      expect(bits(sweep)).toEqual(expectedOf(sweep))

      const wrong = await launch(trusting, 'worker', '--queue', urlOf('wr0ng/secret')).ended
      expect(wrong.code).toBe(2)
      expect(wrong.stderr).toContain('the Redis refuses the user or password')
      const none = await launch(trusting, 'worker', '--queue', `rediss://127.0.0.1:${tls.port}`).ended
      expect(none.stderr).toContain('or requires one that the URL does not have')
      const distrusting = await launch({}, 'worker', '--queue', url).ended
      expect(distrusting.code).toBe(2)
      expect(distrusting.stderr).toContain('NODE_EXTRA_CA_CERTS')

      for (const ended of [queued, await watching.ended, await last.ended, wrong, none, distrusting])
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

  it('a password in a command line that is not understood is not repeated', async () => {
    const url = 'rediss://:hu%2Fnter2@127.0.0.1:7/0'
    const mistyped = await moiety('worker', `--queu=${url}`)
    expect(mistyped.stderr).toContain('rediss://…@127.0.0.1:7')
    const misread = await moiety('sweep', url, '--queue')
    for (const { code, stdout, stderr } of [mistyped, misread]) {
      expect(code).toBe(2)
      expect(stdout + stderr).not.toContain('nter2')
    }
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
