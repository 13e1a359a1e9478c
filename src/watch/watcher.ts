import { EventEmitter } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { differingKeys } from './differences.ts'
import { type FoundRuns, findRuns, type WatchedFolder } from './find-runs.ts'
import { KeptLogs } from './kept-logs.ts'
import type { Overview, RunRow } from './protocol.ts'
import { WatchedRun } from './watched-run.ts'

/** How a {@link Watcher} looks. */
export interface WatcherOptions {
  /** Seconds between two looks while somebody is there, and while nobody is. */
  readonly interval?: number
  readonly idleInterval?: number
  /** Seconds between two searches for runs that have appeared. */
  readonly searchInterval?: number
  /** Memory for logs, in bytes. */
  readonly memory?: number
}

/** Keys of configurations in which runs differ that are shown in the list. */
const mostKeys = 12

interface Events {
  /** Another set of runs, or other keys. */
  overview: [Overview]
  /** Runs that have changed. */
  runs: [readonly RunRow[]]
}

/** Looks at the runs of some folders again and again, and says what has changed. It changes nothing itself. */
export class Watcher extends EventEmitter<Events> {
  readonly #runs = new Map<string, WatchedRun>()
  readonly #rows = new Map<string, RunRow>()
  #keys: readonly string[] = []
  #axes: readonly string[] = []
  #limited: string | null = null
  #searched = Number.NEGATIVE_INFINITY
  #isStopped = false
  #wake = new AbortController()
  /** The logs that the page shows. */
  readonly logs: KeptLogs
  readonly #options: Required<WatcherOptions>

  constructor(
    readonly folders: readonly WatchedFolder[],
    /** Whether somebody is there. */
    readonly isWatched: () => boolean,
    options: WatcherOptions = {},
  ) {
    super()
    this.#options = { interval: 1, idleInterval: 10, searchInterval: 3, memory: 96e6, ...options }
    this.logs = new KeptLogs(this.#options.memory, run => {
      const row = this.#rows.get(run.place.id)
      if (row !== undefined) this.emit('runs', [row])
    })
  }

  get overview(): Overview {
    return {
      folders: this.folders.map(({ name }) => name),
      keys: this.#keys,
      runs: [...this.#rows.values()],
      limited: this.#limited,
    }
  }

  run(id: string): WatchedRun | undefined {
    return this.#runs.get(id)
  }

  /** Looks once. */
  async look(): Promise<void> {
    const now = performance.now() / 1000
    let isOther = false
    if (now - this.#searched >= this.#options.searchInterval) {
      isOther = this.#adopt(await findRuns(this.folders))
      this.#searched = now
    }
    const changed: RunRow[] = []
    await inParallel([...this.#runs.values()], 16, async run => {
      const { config } = run
      const row = await run.look(now)
      isOther ||= run.config !== config
      if (!run.hasFolder && run.planned === undefined) {
        isOther = this.#rows.delete(row.id) || isOther
        return
      }
      const shown = { ...row, values: this.#values(run) }
      const before = this.#rows.get(row.id)
      if (before === undefined) isOther = true
      else if (JSON.stringify(before) !== JSON.stringify(shown)) changed.push(shown)
      this.#rows.set(row.id, shown)
    })
    if (isOther) this.#arrange()
    if (isOther) this.emit('overview', this.overview)
    else if (changed.length > 0) this.emit('runs', changed)
    this.logs.read()
  }

  /** Looks until it is stopped. */
  async follow(): Promise<void> {
    while (!this.#isStopped) {
      await this.look()
      if (this.#isStopped) return
      const seconds = this.isWatched() ? this.#options.interval : this.#options.idleInterval
      await pause(1000 * seconds, undefined, { signal: this.#wake.signal }).catch(() => undefined)
      this.#wake = new AbortController()
    }
  }

  /** Looks at once: somebody has come. */
  wake(): void {
    this.#wake.abort()
  }

  stop(): void {
    this.#isStopped = true
    this.logs.stop()
    this.#wake.abort()
  }

  /** Runs that have appeared or gone. */
  #adopt({ runs, axes, limited }: FoundRuns): boolean {
    const ids = new Set(runs.map(({ place }) => place.id))
    let isOther = this.#limited !== limited || String(axes) !== String(this.#axes)
    this.#axes = axes
    this.#limited = limited
    for (const [id, run] of this.#runs) {
      if (ids.has(id)) continue
      this.logs.forget(run)
      this.#runs.delete(id)
      this.#rows.delete(id)
      isOther = true
    }
    for (const { place, planned } of runs) {
      const run = this.#runs.get(place.id) ?? new WatchedRun(place)
      run.planned = planned
      this.#runs.set(place.id, run)
    }
    return isOther
  }

  /** Finds out in what runs differ; rows in the order in which runs were found. */
  #arrange(): void {
    const runs = [...this.#runs.values()]
    const differing = differingKeys(runs.flatMap(({ config }) => (config.size === 0 ? [] : [config])))
    const isAxis = (key: string): boolean =>
      this.#axes.some(axis => key === axis || key.endsWith(`.${axis}`) || key.includes(`.${axis}.`))
    this.#keys = [...this.#axes, ...differing.filter(key => !isAxis(key))].slice(0, mostKeys)
    const rows = runs.flatMap(run => {
      const row = this.#rows.get(run.place.id)
      return row === undefined ? [] : [{ ...row, values: this.#values(run) }]
    })
    this.#rows.clear()
    for (const row of rows) this.#rows.set(row.id, row)
  }

  #values(run: WatchedRun): Record<string, string> {
    return Object.fromEntries(
      this.#keys.flatMap(key => {
        const value = run.planned?.values[key] ?? run.config.get(key)
        return value === undefined ? [] : [[key, value] as const]
      }),
    )
  }
}

/** Does the work for each, so many at a time. */
async function inParallel<T>(
  all: readonly T[],
  many: number,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const left = [...all]
  await Promise.all(
    Array.from({ length: many }, async () => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one)
    }),
  )
}
