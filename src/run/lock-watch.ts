import { setTimeout as pause } from 'node:timers/promises'
import { type Disk, nodeDisk } from '../files/disk.ts'
import {
  type FoundLock,
  findLock,
  isElsewhere,
  type LockOwner,
  nameOfOwner,
  refuseLocked,
  removeLock,
  secondsBetweenBeats,
} from './lock.ts'

/** How a lock is watched; times are seconds. */
export interface WatchOptions {
  /** How long the lock of a process that cannot be queried must be without a beat before it counts as dead; several beats. */
  readonly silence: number
  readonly disk?: Disk
  readonly now?: () => number
}

/**
 * Watches the lock of a run's folder for a waiting process. Each call checks once and returns the owner, or undefined when it
 * is free. A lock of this machine and PID namespace is free as soon as its process has ended. Any other is removed when its count
 * has not changed for `silence` seconds, by the watcher's clock: clocks of machines differ, and a file's time is its server's.
 *
 * @throws MoietyError `disk`
 */
export function watchLock(
  run: string,
  { silence, disk = nodeDisk, now = () => performance.now() / 1000 }: WatchOptions,
): () => LockOwner | undefined {
  let seen: { readonly lock: FoundLock; readonly since: number } | undefined
  return () => {
    const lock = findLock(run, disk)
    // One without a count is of an earlier version, which has no heartbeat.
    if (lock === undefined || !isElsewhere(lock.owner) || lock.owner.beat === undefined) return lock?.owner
    const same = seen !== undefined && JSON.stringify(seen.lock) === JSON.stringify(lock)
    if (seen === undefined || !same) seen = { lock, since: now() }
    if (now() - seen.since < silence) return lock.owner
    seen = undefined
    removeLock(lock, disk)
    return findLock(run, disk)?.owner
  }
}

/** Six beats, because a slow disk does not mean a dead process. */
export const secondsUntilTakeover = 6 * secondsBetweenBeats

/** Progress of waiting for whether the owner of a lock still runs. */
export interface LockWait {
  /** `process 7 on node-3` */
  readonly owner: string
  /** Seconds waited, and after which the lock is taken over. */
  readonly waited: number
  readonly total: number
}

/** How {@link untilTakeover} waits. */
export interface TakeoverOptions extends Partial<WatchOptions> {
  /** The owner's activity for messages, such as `training`. */
  readonly what?: string
  readonly signal?: AbortSignal | undefined
  /** Called about once a second while waiting, and with `waited` equal to `total` when the lock was taken over. */
  readonly onWait?: (wait: LockWait) => void
  /** Seconds between two checks. */
  readonly pace?: number
}

/**
 * Returns when no lock of a process elsewhere blocks: at once where there is none, or where the owner can be queried
 * (then `acquireLock` decides). Otherwise it watches the heartbeat: a process that still counts is refused, one that is silent for
 * `silence` seconds has ended, and its lock is removed.
 *
 * @throws MoietyError `usage` that names the running process; `disk`; the reason of `signal`
 */
export async function untilTakeover(run: string, options: TakeoverOptions = {}): Promise<void> {
  const { silence = secondsUntilTakeover, disk = nodeDisk, what = 'training', pace = 1 } = options
  const { now = () => performance.now() / 1000, signal, onWait } = options
  const look = watchLock(run, { silence, disk, now })
  for (let first = findLock(run, disk); first !== undefined; ) {
    if (!isElsewhere(first.owner)) return
    if (first.owner.beat === undefined) return refuseLocked(run, first, what)
    const since = now()
    const wait = { owner: nameOfOwner(first.owner), total: silence }
    for (;;) {
      signal?.throwIfAborted()
      const owner = look()
      const lock = findLock(run, disk)
      const isFirst = lock?.path === first.path
      if (isFirst && lock?.owner.beat !== first.owner.beat) return refuseLocked(run, lock ?? first, what)
      if (owner === undefined || !isFirst) {
        if (now() - since >= silence) onWait?.({ ...wait, waited: silence })
        first = lock
        break
      }
      onWait?.({ ...wait, waited: Math.min(silence, Math.floor(now() - since)) })
      await pause(1000 * pace, undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
    }
  }
}
