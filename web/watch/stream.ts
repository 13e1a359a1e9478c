import type { Overview, RunRow } from '../../src/watch/protocol.ts'

/** What a {@link Stream} reports. */
export interface StreamListener {
  overview(overview: Overview): void
  runs(rows: readonly RunRow[]): void
  /** Whether the server is there. */
  connected(isConnected: boolean): void
}

/** Milliseconds after which a stream that has ended is opened again. */
const pause = 3000

/** Follows the server's events. The browser comes back by itself with the id of the last; where it gives up, a new stream begins. */
export class Stream {
  #source: EventSource | undefined

  constructor(readonly listener: StreamListener) {
    this.#open()
    // A page that comes back from being frozen may have a stream that is dead.
    addEventListener('pageshow', event => {
      if (event.persisted) this.#open()
    })
  }

  #open(): void {
    this.#source?.close()
    const source = new EventSource('api/events')
    this.#source = source
    source.addEventListener('open', () => this.listener.connected(true))
    source.addEventListener('overview', event => this.listener.overview(JSON.parse(event.data)))
    source.addEventListener('runs', event => this.listener.runs(JSON.parse(event.data)))
    source.addEventListener('error', () => {
      this.listener.connected(false)
      if (source.readyState === EventSource.CLOSED) setTimeout(() => this.#open(), pause)
    })
  }
}

/** What the server answers; undefined where there is nothing, or no server. */
export async function ask<T>(path: string): Promise<T | undefined> {
  try {
    const response = await fetch(path, { cache: 'no-store' })
    if (!response.ok) return undefined
    const value: T = await response.json()
    return value
  } catch {
    return undefined
  }
}
