/**
 * The lock of a run's folder. Each process creates its own file, `run.lock.HOST.PID.PLACE`, and then looks for
 * those of others: of two concurrent processes the later one sees the earlier one's, so never do both continue. A file whose
 * process has ended is removed by any process that finds it, which is safe, since no other process uses that name. A
 * process number that was given to another process since is recognised by its time of start.
 *
 * A process number means something only within one boot of one PID namespace (`process-place.ts`). A process of another machine or
 * container, or of before a restart, cannot be queried: the same number may be another process here, or none. So whoever has a lock
 * counts in it, every few seconds and in place: `lock-watch.ts` removes one that stands still, and a process that was only slow finds
 * its file gone before it writes.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { fail } from '../base/errors.ts'
import { readIfThere } from '../files/append-file.ts'
import { ignoringErrors, listNames, writeFlushed } from '../files/atomic-write.ts'
import { attempt, type Disk, nodeDisk } from '../files/disk.ts'
import { bootId, pidNamespace, processHasEnded, statOf } from '../files/process-identity.ts'
import { sizeLimits } from '../files/regular-file.ts'
import { startHeartbeat } from './heartbeat.ts'

const ownerSchema = z.object({
  pid: z.int().positive(),
  host: z.string(),
  started: z.string().nullable(),
  place: z.string().nullish(),
  beat: z
    .string()
    .regex(/^\d{12}$/)
    .optional(),
})

/** The owner of a lock. */
export interface LockOwner {
  readonly pid: number
  readonly host: string
  /** Boot and tick of the process's start, or null where the system does not report it. */
  readonly started: string | null
  /** Where its process number is valid: boot and PID namespace, hashed. Earlier versions do not have it. */
  readonly place?: string | null | undefined
  /** Counter incremented while the lock is held; of fixed length, so that it is written in place. Missing in earlier versions. */
  readonly beat?: string | undefined
}

/** Interval of the heartbeat. */
export const secondsBetweenBeats = 5

const contentOf = (owner: LockOwner): Uint8Array => new TextEncoder().encode(`${JSON.stringify(owner)}\n`)

const isSameProcess = (a: LockOwner | undefined, b: LockOwner): boolean =>
  a !== undefined && a.pid === b.pid && a.host === b.host && a.started === b.started && a.place === b.place

/** Beginning of the error of a process whose lock was taken over. */
export const takenForDead = 'this process did not update its lock for so long that another took over its lock'

export interface Lock {
  readonly path: string
  /**
   * To be called before writing anything that a successor could write too.
   *
   * @throws MoietyError `disk` if another process took over the lock
   */
  ensureHeld(): void
  /** Releases the folder; further calls do nothing. Also done when the process exits. */
  release(): void
}

/** Boot and clock tick at which this process started, on Linux. */
function ownStart(): string | null {
  const ticks = statOf(process.pid)?.started
  const boot = bootId()
  return ticks === undefined || boot === undefined ? null : `${boot} ${ticks}`
}

/** Whether an owner has certainly ended; one that cannot be queried from here has not. */
function isDead({ place, pid, started }: LockOwner): boolean {
  return processHasEnded({ place, pid, ticks: started?.split(' ')[1] }) === true
}

/** Whether an owner cannot be queried from here, so that only its heartbeat shows whether it runs. */
export function isElsewhere({ place }: LockOwner): boolean {
  return place === undefined || place === null || place !== pidNamespace()
}

/** A process for messages: `process 7 on node-3`. */
export function nameOfOwner(owner: LockOwner): string {
  if (!isElsewhere(owner)) return `process ${owner.pid}`
  const where = owner.host === hostname() ? ' (in another container, or before a restart)' : ''
  return `process ${owner.pid} on ${owner.host}${where}`
}

function ownerIn(bytes: Uint8Array): LockOwner | undefined {
  try {
    const owner = ownerSchema.safeParse(JSON.parse(new TextDecoder().decode(bytes)))
    return owner.success ? owner.data : undefined
  } catch {
    return undefined
  }
}

/** A lock that was found. */
export interface FoundLock {
  readonly path: string
  readonly owner: LockOwner
}

/** The lock of a run, unless its process has certainly ended. Nothing is removed. @throws MoietyError `disk` */
export function findLock(run: string, disk: Disk = nodeDisk): FoundLock | undefined {
  for (const name of listNames(disk, run)) {
    if (!isLockName(name)) continue
    const path = join(run, name)
    const owner = ownerNow(disk, path)
    if (owner !== undefined && !isDead(owner)) return { path, owner }
  }
  return undefined
}

/** Whether a file of a run's folder is a lock, of a process that runs or has ended without releasing it. */
export function isLockName(name: string): boolean {
  return name.startsWith(prefix) && !name.endsWith(unready)
}

/** The owner of a run's lock. @throws MoietyError `disk` */
export function lockOwner(run: string, disk: Disk = nodeDisk): LockOwner | undefined {
  return findLock(run, disk)?.owner
}

/** The error for a command that may not start. @throws MoietyError `usage`, always */
export function refuseLocked(run: string, { path, owner }: FoundLock, what: string): never {
  const elsewhere = isElsewhere(owner)
  const self = !elsewhere && owner.pid === process.pid
  return fail({
    kind: 'usage',
    message: `another ${what} is running in ${run}: ${nameOfOwner(owner)}`,
    where: path,
    help: self
      ? 'this same process holds it: wait for it, or use another folder'
      : elsewhere
        ? `use another --out; if that process no longer runs, remove ${path}`
        : `wait for it, stop it (kill ${owner.pid}), or use another --out`,
  })
}

const prefix = 'run.lock.'
// With the namespace: in two containers both the host name and the process number may be the same.
const pathOf = (run: string, { host, pid, place }: LockOwner): string =>
  join(run, `${prefix}${host.replace(/[^\w-]/g, '-')}.${pid}.${place ?? 'unknown'}`)

/** Removes a lock if it is unchanged since it was read, heartbeat included. @throws MoietyError `disk` */
export function removeLock({ path, owner: seen }: FoundLock, disk: Disk = nodeDisk): void {
  const now = ownerNow(disk, path)
  if (!isSameProcess(now, seen) || now?.beat !== seen.beat) return
  attempt(disk, 'remove the lock of a process without a heartbeat', path, () => disk.remove(path))
}

function ownerNow(disk: Disk, path: string): LockOwner | undefined {
  const bytes = readIfThere(disk, path, sizeLimits.lock)
  return bytes === undefined ? undefined : ownerIn(bytes)
}

/** A file that is being written, not yet a claim. */
const unready = '.new'

/** The lock, other than `own`, of a process that runs or cannot be queried; those of processes that have ended are removed. */
function findRival(disk: Disk, run: string, own: string): FoundLock | undefined {
  for (const name of listNames(disk, run)) {
    const path = join(run, name)
    if (!name.startsWith(prefix) || path === own) continue
    // It may disappear at any time: its owner withdraws, or another process removes it.
    const bytes = readIfThere(disk, path, sizeLimits.lock)
    if (bytes === undefined) continue
    const owner = ownerIn(bytes)
    const alive = owner !== undefined && !isDead(owner)
    if (alive && !name.endsWith(unready)) return { path, owner }
    if (!alive && (owner !== undefined || !name.endsWith(unready))) {
      attempt(disk, 'remove the lock of a dead process', path, () => disk.remove(path))
    }
  }
  return undefined
}

/** Blocks this thread for a random time, so that two processes that collided do not collide again. */
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1 + Math.random() * 20)
}

/**
 * Locks a run's folder for this process, or throws with its owner.
 *
 * @param run - the run's folder, which exists
 * @param what - the activity of its owner, for messages
 * @throws MoietyError `usage` that names the other process and the folder; `disk`
 */
export function acquireLock(run: string, disk: Disk = nodeDisk, what = 'training'): Lock {
  const host = hostname()
  const place = pidNamespace() ?? null
  const self: LockOwner = { pid: process.pid, host, started: ownStart(), place, beat: firstBeat }
  const path = pathOf(run, self)

  if (isSameProcess(ownerNow(disk, path), self)) return refuseLocked(run, { path, owner: self }, what)
  for (let round = 0; ; round++) {
    const earlier = findRival(disk, run, path)
    const rival = earlier ?? claim(disk, run, path, contentOf(self))
    if (rival === undefined) return held(disk, path, self)
    if ((earlier !== undefined && round === 0) || round === 20) return refuseLocked(run, rival, what)
    pause()
  }
}

/** Creates the lock, and removes it if another process has done so too, or anything fails. */
function claim(disk: Disk, run: string, path: string, content: Uint8Array): ReturnType<typeof findRival> {
  let alone = false
  try {
    writeFlushed(disk, `${path}${unready}`, content)
    attempt(disk, 'lock', path, () => disk.rename(`${path}${unready}`, path))
    const rival = findRival(disk, run, path)
    alone = rival === undefined
    return rival
  } finally {
    if (!alone) {
      ignoringErrors(() => disk.remove(`${path}${unready}`))
      ignoringErrors(() => disk.remove(path))
    }
  }
}

const beatDigits = 12
const firstBeat = '0'.repeat(beatDigits)

function held(disk: Disk, path: string, self: LockOwner): Lock {
  let locked = true
  const text = new TextDecoder().decode(contentOf(self))
  // The last, because a host may have any name.
  const at = text.lastIndexOf(firstBeat)
  const stopHeartbeat = startHeartbeat(
    { path, before: text.slice(0, at), after: text.slice(at + beatDigits), digits: beatDigits },
    1000 * secondsBetweenBeats,
  )
  const ensureHeld = (): void => {
    if (isSameProcess(ownerNow(disk, path), self)) return
    fail({
      kind: 'disk',
      message: takenForDead,
      where: path,
      help: 'nothing was written since; the run continues elsewhere, and nothing needs to be done here',
    })
  }
  const release = (): void => {
    if (!locked) return
    locked = false
    stopHeartbeat()
    process.off('exit', release)
    // A remaining lock is stale as soon as this process ends.
    ignoringErrors(() => {
      if (isSameProcess(ownerIn(disk.read(path, sizeLimits.lock)), self)) disk.remove(path)
    })
  }
  process.on('exit', release)
  return { path, ensureHeld, release }
}
