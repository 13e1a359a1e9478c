import { setTimeout as pause } from 'node:timers/promises'
import type { RunLog } from './run-log.ts'
import type { WatchedRun } from './watched-run.ts'

/** Bytes of a log that are read before others have their turn. */
const portion = 1 << 18

/** Seconds after which a log that nobody asks for may be given up, and for which one that does not fit is not tried again. */
const patience = 60

/**
 * The logs of those runs that the page shows, in bounded memory: each is read whole once it is asked for, one after the other, so that
 * answers do not wait for them. Where there are too many, the rest is shown by single lines.
 */
export class KeptLogs {
  readonly #asked = new Map<WatchedRun, number>()
  readonly #refused = new Map<WatchedRun, number>()
  #reading: Promise<void> | undefined
  #isStopped = false
  #holds = 0

  /**
   * @param memory - bytes
   * @param onRead - called when a log has been read to its end, and again whenever it has grown
   */
  constructor(
    readonly memory: number,
    readonly onRead: (run: WatchedRun) => void,
  ) {}

  /** The log of a run; undefined where there is no memory for it. */
  demand(run: WatchedRun): RunLog | undefined {
    const now = performance.now() / 1000
    if (run.log === undefined) {
      if (now - (this.#refused.get(run) ?? Number.NEGATIVE_INFINITY) < patience) return undefined
      if (this.#bytes() > this.memory && !this.#giveUp(now)) return undefined
      run.keepLog()
    }
    this.#asked.set(run, now)
    this.read()
    return run.log
  }

  /** Reads on in all of them. */
  read(): void {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined
    })
  }

  /** Runs work that the page waits for: until it is done, nothing is read besides. */
  async before<T>(work: () => Promise<T>): Promise<T> {
    this.#holds += 1
    try {
      return await work()
    } finally {
      this.#holds -= 1
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  async #readAll(): Promise<void> {
    for (const run of this.#asked.keys()) {
      const { log } = run
      if (log === undefined) continue
      const before = `${log.isWhole} ${log.generation} ${log.facts.lines}`
      while ((await log.read(portion)) === 'more') {
        if (this.#isStopped) return
        if (this.#bytes() > this.memory && !this.#giveUp(performance.now() / 1000)) {
          this.#refused.set(run, performance.now() / 1000)
          this.forget(run)
          break
        }
        do await pause(this.#holds > 0 ? 20 : 0)
        while (this.#holds > 0 && !this.#isStopped)
      }
      if (run.log !== undefined && before !== `${log.isWhole} ${log.generation} ${log.facts.lines}`)
        this.onRead(run)
    }
  }

  #bytes(): number {
    let sum = 0
    for (const { log } of this.#asked.keys()) sum += log?.bytes ?? 0
    return sum
  }

  /** Forgets the log that was asked for longest ago, if that is long enough. */
  #giveUp(now: number): boolean {
    const [oldest] = [...this.#asked].sort((a, b) => a[1] - b[1])
    if (oldest === undefined || now - oldest[1] < patience) return false
    this.forget(oldest[0])
    return true
  }

  forget(run: WatchedRun): void {
    run.log = undefined
    this.#asked.delete(run)
  }
}
