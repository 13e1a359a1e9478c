import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compileForNode } from '../../test/compiled.ts'
import { failingDisk, operationsOf } from '../../test/fake-disks.ts'
import { MoietyError } from '../base/errors.ts'
import { nodeDisk } from '../files/disk.ts'
import { pidNamespace } from '../files/process-identity.ts'
import { acquireLock, lockOwner } from './lock.ts'

const compiled = compileForNode('src/run/lock.ts')
let run: string
const children: ChildProcess[] = []
beforeEach(() => {
  run = mkdtempSync(join(tmpdir(), 'moiety-lock-'))
})
afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
  rmSync(run, { recursive: true, force: true })
})
afterAll(() => rmSync(compiled.folder, { recursive: true, force: true }))

/** Locks the folder in a separate process, prints the result, and does `afterwards`. */
function spawnLocker(afterwards: 'stay' | 'exit', before: readonly string[] = []): ChildProcess {
  const program = `
    const { acquireLock } = await import(${JSON.stringify(pathToFileURL(compiled.file).href)})
    try {
      acquireLock(${JSON.stringify(run)})
      console.log('locked')
    } catch (error) {
      console.log(error.kind + ': ' + error.message)
    }
    ${afterwards === 'stay' ? 'setInterval(() => {}, 1000)' : ''}
  `
  const [command, ...words] = [...before, process.execPath, '--input-type=module', '--eval', program]
  const child = spawn(command!, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return child
}

async function firstLine(child: ChildProcess): Promise<string> {
  for await (const chunk of child.stdout ?? []) return String(chunk).trim()
  return ''
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}

function refusalOf(action: () => unknown): MoietyError {
  try {
    action()
  } catch (cause) {
    if (cause instanceof MoietyError) return cause
    throw cause
  }
  throw new Error('nothing was refused')
}

describe('a locked folder', () => {
  it('is refused to a second process, with the pid of the first and the folder', async () => {
    const lock = acquireLock(run)
    const answer = await firstLine(spawnLocker('stay'))
    expect(answer).toBe(`usage: another training is running in ${run}: process ${process.pid}`)
    lock.release()
    expect(await firstLine(spawnLocker('stay'))).toBe('locked')
  })

  it('is refused while the other process lives, and taken over once it was killed', async () => {
    const child = spawnLocker('stay')
    expect(await firstLine(child)).toBe('locked')
    const error = refusalOf(() => acquireLock(run))
    expect(error.kind).toBe('usage')
    expect(error.message).toContain(`process ${child.pid}`)
    expect(error.help).toContain(`kill ${child.pid}`)

    await end(child)
    expect(readdirSync(run)).toHaveLength(1)
    const lock = acquireLock(run)
    expect(readdirSync(run)).toEqual([
      `run.lock.${hostname().replace(/[^\w-]/g, '-')}.${process.pid}.${pidNamespace()}`,
    ])
    lock.release()
    expect(readdirSync(run)).toEqual([])
  })

  it('is given free when its process ends by itself', async () => {
    const child = spawnLocker('exit')
    const ended = once(child, 'exit')
    expect(await firstLine(child)).toBe('locked')
    await ended
    expect(readdirSync(run)).toEqual([])
  })

  it('is refused to a second training of the same process', () => {
    const lock = acquireLock(run)
    expect(refusalOf(() => acquireLock(run)).help).toContain('this same process')
    lock.release()
    lock.release()
    acquireLock(run).release()
  })

  it('goes to one at most of several processes that come at once, a dead one having it', async () => {
    const dead = spawnLocker('stay')
    await firstLine(dead)
    await end(dead)
    const answers = await Promise.all(Array.from({ length: 4 }, () => firstLine(spawnLocker('stay'))))
    expect(answers.filter(answer => answer === 'locked').length).toBeLessThanOrEqual(1)
    for (const answer of answers) expect(answer).toMatch(/^(locked|usage: another training)/)
  })

  it.runIf(existsSync('/proc/self/stat'))('is free if its pid was given to another process since', () => {
    const other = { pid: process.ppid, host: hostname(), started: 'boot 1', place: pidNamespace() }
    writeFileSync(join(run, `run.lock.here.${process.ppid}`), JSON.stringify(other))
    acquireLock(run).release()

    const child = { ...other, started: startOf(process.ppid) }
    writeFileSync(join(run, `run.lock.here.${process.ppid}`), JSON.stringify(child))
    expect(refusalOf(() => acquireLock(run)).message).toContain(`process ${process.ppid}`)
  })

  it('is refused if the process is on another machine, which cannot be asked', () => {
    const path = join(run, 'run.lock.elsewhere.12')
    writeFileSync(path, JSON.stringify({ pid: 12, host: 'elsewhere', started: null }))
    const error = refusalOf(() => acquireLock(run))
    expect(error.message).toContain('process 12 on elsewhere')
    expect(error.help).toContain(`remove ${path}`)
  })

  it('is refused if the same host name and number may be another process: another boot, namespace or an earlier version', () => {
    const { pid } = process
    for (const [i, place] of [undefined, null, '0123456789ab'].entries()) {
      // A number that is certainly free here, and one that certainly is not.
      for (const number of [4_194_305, process.ppid, pid]) {
        const path = join(run, `run.lock.same.${i}`)
        const text = JSON.stringify({
          pid: number,
          host: hostname(),
          started: 'boot 1',
          place,
          beat: '000000000007',
        })
        writeFileSync(path, text)
        expect(refusalOf(() => acquireLock(run)).message).toContain(
          'in another container, or before a restart',
        )
        expect(lockOwner(run)?.pid).toBe(number)
        expect(readFileSync(path, 'utf8')).toBe(text)
        rmSync(path)
      }
    }
  })

  const namespaces = ['unshare', '--pid', '--fork', '--kill-child']
  const canUnshare = spawnSync(namespaces[0]!, [...namespaces.slice(1), 'true']).status === 0
  it.runIf(canUnshare)(
    'of a container stays when a second one with the same host name and number comes',
    async () => {
      const first = spawnLocker('stay', namespaces)
      expect(await firstLine(first)).toBe('locked')
      const names = readdirSync(run)
      // In both it is process 1.
      const second = spawnLocker('stay', namespaces)
      expect(await firstLine(second)).toMatch(/^usage: another training is running in .*: process 1 on /)
      expect(refusalOf(() => acquireLock(run)).message).toContain('process 1 on ')
      expect(readdirSync(run)).toEqual(names)
    },
  )

  it('is free if the lock is not readable as one', () => {
    for (const text of ['', 'null', '{"pid":-1}', '\0\0\0']) {
      writeFileSync(join(run, 'run.lock.here.1'), text)
      acquireLock(run).release()
      expect(readdirSync(run)).toEqual([])
    }
  })
})

it('a disk that fails at any operation is named, and no lock of a process without it stays', () => {
  const operations = operationsOf(nodeDisk, disk => acquireLock(run, disk).release())
  // The release at the end ignores errors: a remaining lock is stale once the process ends.
  const acquiring = operations.lastIndexOf('list')
  for (let at = 0; at <= acquiring; at++) {
    const error = refusalOf(() => acquireLock(run, failingDisk(nodeDisk, at, 'EROFS', false)))
    expect(error.kind).toBe('disk')
    expect(readdirSync(run)).toEqual([])
  }
})

/** As in the lock: boot and clock tick of a process's start. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`
}
