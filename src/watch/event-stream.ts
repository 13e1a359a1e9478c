import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { WatchEvents } from './protocol.ts'

/** Limits of an {@link EventStream}. */
export interface StreamLimits {
  /** Clients at once. */
  readonly clients: number
  /** Bytes that a client may be behind before it is dropped; it comes back by itself. */
  readonly behind: number
  /** Events that are kept for clients that come back, and their letters in all. */
  readonly events: number
  readonly letters: number
  /** Seconds between two signs of life. */
  readonly heartbeat: number
}

interface KeptEvent {
  readonly number: number
  readonly text: string
}

const usual: StreamLimits = { clients: 32, behind: 1 << 20, events: 256, letters: 4e6, heartbeat: 15 }

/**
 * Server-sent events with ids. A client that comes back says which it had last: it is given those since, or everything, where they are
 * no longer known, as after a restart of the server.
 */
export class EventStream {
  readonly #clients = new Set<ServerResponse>()
  /** Ids of another server begin otherwise. */
  readonly #name = randomBytes(6).toString('hex')
  readonly #limits: StreamLimits
  readonly #kept: KeptEvent[] = []
  #number = 0
  readonly #timer: NodeJS.Timeout

  /** @param first - the event with everything */
  constructor(
    readonly first: () => WatchEvents['overview'],
    limits: Partial<StreamLimits> = {},
  ) {
    this.#limits = { ...usual, ...limits }
    this.#timer = setInterval(() => this.#write(': still here\n\n'), 1000 * this.#limits.heartbeat)
    this.#timer.unref()
  }

  get clients(): number {
    return this.#clients.size
  }

  get isFull(): boolean {
    return this.#clients.size >= this.#limits.clients
  }

  /** Begins to send to a client, whose headers are written. @param lastId - what it says, which may be anything */
  add(client: ServerResponse, lastId: string | undefined): void {
    this.#clients.add(client)
    const leave = (): void => {
      this.#clients.delete(client)
    }
    client.once('close', leave)
    client.once('error', leave)
    const missed = this.#since(lastId)
    client.write('retry: 2000\n\n')
    if (missed === undefined) client.write(this.#text('overview', this.first(), this.#number))
    else for (const { text } of missed) client.write(text)
  }

  send<Name extends keyof WatchEvents>(name: Name, data: WatchEvents[Name]): void {
    this.#number += 1
    const text = this.#text(name, data, this.#number)
    this.#kept.push({ number: this.#number, text })
    let letters = this.#kept.reduce((sum, kept) => sum + kept.text.length, 0)
    while (
      this.#kept.length > this.#limits.events ||
      (letters > this.#limits.letters && this.#kept.length > 0)
    )
      letters -= this.#kept.shift()!.text.length
    this.#write(text)
  }

  close(): void {
    clearInterval(this.#timer)
    for (const client of this.#clients) client.destroy()
    this.#clients.clear()
  }

  /** Events after the one with that id; undefined where they are not all known. */
  #since(lastId: string | undefined): readonly KeptEvent[] | undefined {
    const [, name, digits] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(lastId ?? '') ?? []
    const number = Number(digits)
    if (name !== this.#name || number > this.#number) return undefined
    const missed = this.#kept.filter(kept => kept.number > number)
    return missed.length === this.#number - number ? missed : undefined
  }

  #text(name: string, data: unknown, number: number): string {
    return `id: ${this.#name}-${number}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      client.write(text)
      if (client.writableLength > this.#limits.behind) {
        this.#clients.delete(client)
        client.destroy()
      }
    }
  }
}
