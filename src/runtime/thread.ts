import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { fail, MoietyError } from '../base/errors.ts'
import { isThere } from '../files/disk.ts'
import { type Answer, type Envelope, flags, type Replies, type Request, type ThreadData } from './protocol.ts'

interface Waiting {
  resolve(reply: Partial<Replies>): void
  reject(error: MoietyError): void
}

/**
 * A file of dist/. Node 20 cannot start a worker from TypeScript, so the sources (in tests) use the build as well.
 *
 * @param name - as in `src/`, without `.ts`; one of the programs in `scripts/build.js`
 * @throws MoietyError `usage` when it was not built
 */
export function builtFile(name: string): URL {
  // From `src/runtime` as from `dist/chunks`.
  const url = new URL(`../../dist/${name}.js`, import.meta.url)
  if (!isThere(fileURLToPath(url))) {
    fail({
      kind: 'usage',
      message: 'the engine was not built',
      where: fileURLToPath(url),
      help: 'run `npm run build` first',
    })
  }
  return url
}

/** Threads that may be inside ONNX Runtime when the process ends. */
const alive = new Set<Thread>()

/** How long the process waits at its end for the running operation, in milliseconds. */
const patience = 60_000

process.on('exit', () => {
  for (const thread of alive) thread.settleNow()
})

/**
 * A worker thread that serves requests. While idle it does not keep the process alive; when it ends,
 * for whatever reason, every pending promise is rejected.
 */
export class Thread {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #flags = new Int32Array(new SharedArrayBuffer(8))
  #asked = 0
  #gone = false
  #ended: MoietyError | undefined

  constructor(file: URL) {
    const workerData: ThreadData = { flags: this.#flags.buffer }
    this.#worker = new Worker(file, { workerData, execArgv: [] })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#settle(answer))
    this.#worker.on('messageerror', error => this.#end('a reply could not be read', error))
    this.#worker.on('error', error => this.#end(`its thread failed: ${String(error)}`, error))
    this.#worker.on('exit', code => {
      this.#gone = true
      alive.delete(this)
      this.#end(`its thread ended with code ${code}`)
    })
    alive.add(this)
  }

  /** Whether requests are pending. */
  get busy(): boolean {
    return this.#waiting.size > 0
  }

  /**
   * Sends a request; the promise is settled by its reply.
   *
   * @param transfer - buffers that move to the thread instead of being copied
   * @throws MoietyError what the thread failed with, or that it ended
   */
  async ask<K extends Request['kind']>(
    request: Extract<Request, { kind: K }>,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Replies[K]> {
    const kind: K = request.kind
    if (this.#ended !== undefined) throw this.#ended
    const reply = await this.#send(request, transfer)
    return reply[kind] ?? fail({ kind: 'usage', message: `the engine's thread did not answer "${kind}"` })
  }

  /**
   * Rejects pending requests and ends the thread when the running operation is done; queued requests are dropped.
   * Resolves when the thread has ended.
   */
  async end(reason: string): Promise<void> {
    this.#end(reason)
    if (this.#gone) return
    Atomics.store(this.#flags, flags.stopping, 1)
    await this.#send({ kind: 'stop' }, []).catch(() => undefined)
    await this.#worker.terminate()
  }

  /** Blocks until the running operation is done, and starts no other: the process is about to end. */
  settleNow(): void {
    Atomics.store(this.#flags, flags.stopping, 1)
    Atomics.wait(this.#flags, flags.running, 1, patience)
  }

  #send(request: Request, transfer: readonly ArrayBuffer[]): Promise<Partial<Replies>> {
    return new Promise((resolve, reject) => {
      const id = this.#asked++
      try {
        this.#worker.postMessage({ id, request } satisfies Envelope, transfer)
      } catch (cause) {
        const message = `the request "${request.kind}" could not be sent to the engine: ${String(cause)}`
        fail({ kind: 'usage', message, help: 'feed ordinary arrays, or do not transfer them', cause })
      }
      this.#waiting.set(id, { resolve, reject })
      this.#worker.ref()
    })
  }

  #settle({ id, reply, error }: Answer): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (!this.busy) this.#worker.unref()
    if (error !== undefined) waiting?.reject(new MoietyError(error))
    else waiting?.resolve(reply ?? {})
  }

  #end(reason: string, cause?: unknown): void {
    this.#ended ??= new MoietyError({
      kind: 'usage',
      message: `the engine is not running: ${reason}`,
      help: 'start a new engine; state that was not saved is lost',
      cause,
    })
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
    this.#worker.unref()
  }
}
