import { hostname } from 'node:os'
import { type Disk, nodeDisk } from '../files/disk.ts'
import { type LockOwner, lockOwner, removeLock } from './lock.ts'

/** How a lock is watched; times are seconds. */
export interface WatchOptions {
  /** How long another machine's lock must stand still before it is taken for that of a dead one; several times a beat. */
  readonly silence: number
  readonly disk?: Disk
  readonly now?: () => number
}

/**
 * Watches the lock of a run's folder for one who waits for it. Each call looks once and says who has it, or undefined when it
 * is free. A lock of this machine is free as soon as its process is gone. Another machine's is removed when its count has stood
 * still for `silence`, by the clock of whoever watches: clocks of machines differ, and a file's time is its server's.
 *
 * @throws MoietyError `disk`
 */
export function watchLock(
  run: string,
  { silence, disk = nodeDisk, now = () => performance.now() / 1000 }: WatchOptions,
): () => LockOwner | undefined {
  let seen: { readonly owner: LockOwner; readonly since: number } | undefined
  return () => {
    const owner = lockOwner(run, disk)
    // One without a count is an earlier version's, which never counts.
    if (owner === undefined || owner.host === hostname() || owner.beat === undefined) return owner
    const same = seen !== undefined && JSON.stringify(seen.owner) === JSON.stringify(owner)
    if (seen === undefined || !same) seen = { owner, since: now() }
    if (now() - seen.since < silence) return owner
    seen = undefined
    removeLock(run, owner, disk)
    return lockOwner(run, disk)
  }
}
