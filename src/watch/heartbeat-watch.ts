import { type FoundLock, secondsBetweenBeats } from '../run/lock.ts'
import { secondsUntilTakeover } from '../run/lock-watch.ts'

/** A lock file whose last change is older belongs to no process, however slow the disk and different the clocks. */
const secondsOfAge = 600

/** Whether a lock's process runs: `beats`, `silent` for so long that it counts as dead, or not known yet. */
export type Pulse = 'beats' | 'silent' | 'unknown'

/**
 * Watches the counter in the lock of a run, without changing anything. Also that of a process of this machine: in a copy of a run's
 * folder the lock names a process that runs, but its counter stands still.
 */
export class HeartbeatWatch {
  #seen: { readonly path: string; readonly beat: string; readonly since: number } | undefined
  #hasBeaten = false

  /**
   * @param age - seconds since the lock file was changed, by its file system
   * @param now - seconds
   */
  look(lock: FoundLock, age: number, now: number): Pulse {
    const { beat } = lock.owner
    // One of an earlier version has no counter: its process counts as running.
    if (beat === undefined) return 'beats'
    const isSame = this.#seen?.path === lock.path
    if (!isSame || this.#seen?.beat !== beat) {
      this.#hasBeaten = isSame
      this.#seen = { path: lock.path, beat, since: now }
    }
    const silence = now - this.#seen!.since
    if (silence >= secondsUntilTakeover) return 'silent'
    if (this.#hasBeaten || age <= 2 * secondsBetweenBeats) return 'beats'
    return age > secondsOfAge ? 'silent' : 'unknown'
  }
}
