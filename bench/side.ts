import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Device } from 'moiety/runtime'
import { type Case, classes } from './cases.js'

interface Hello {
  /** PyTorch's version; null of our side. */
  readonly torch: string | null
  /** Null where it does not say. */
  readonly threads: number | null
  readonly parameters: number
  /** What it runs on, as PyTorch names it. */
  readonly device?: string
  /** Why it cannot run; then it ends. */
  readonly failure?: string
  /** What an alternative computed before it is timed. */
  readonly outputs?: readonly number[]
}

const ourSide = fileURLToPath(new URL('moiety-side.js', import.meta.url))
const alternativeSide = fileURLToPath(new URL('alternative-side.js', import.meta.url))
const peerSide = fileURLToPath(new URL('../../bench/pytorch/peer.py', import.meta.url))

/** How Moiety runs on a device. */
export interface DeviceSide {
  readonly device: Device
  readonly dispatch: 'sparse' | 'capacity' | 'dense'
  readonly threads: number
}

/** One side of the comparison, in a separate process that waits between turns. */
export class Side {
  readonly hello: Hello
  /** Most memory that the process has had, in bytes. */
  peakBytes = 0
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  private constructor(child: ChildProcess, reader: Interface, lines: AsyncIterator<string>, hello: Hello) {
    this.#child = child
    this.#reader = reader
    this.#lines = lines
    this.hello = hello
  }

  /** Moiety. */
  static async ours(timed: Case, threads: number, replicas: number): Promise<Side> {
    return await Side.#start(process.execPath, [ourSide, JSON.stringify({ ...timed, threads, replicas })])
  }

  /** Moiety on a device. @throws Error with the reason where it cannot run there */
  static async onDevice(timed: Case, options: DeviceSide): Promise<Side> {
    const side = await Side.#start(process.execPath, [
      ourSide,
      JSON.stringify({ ...timed, ...options, replicas: 1 }),
    ])
    return await side.#checked()
  }

  /** PyTorch on a graphics card, with TF32 or without; on the processor where it finds none. */
  static async peerOnDevice(python: string, timed: Case, threads: number, tf32: boolean): Promise<Side> {
    const asked = { ...timed, classes, threads, channelsLast: false, tf32, device: 'cuda' }
    const side = await Side.#start(python, [peerSide, JSON.stringify(asked)])
    return await side.#checked()
  }

  /** Moiety or another library of TypeScript, as `alternative-side.ts` reads it. @throws Error with the reason where it cannot run */
  static async alternative(asked: object): Promise<Side> {
    const side = await Side.#start(process.execPath, [alternativeSide, JSON.stringify(asked)])
    return await side.#checked()
  }

  async #checked(): Promise<this> {
    const { failure } = this.hello
    if (failure === undefined) return this
    await this.stop()
    throw new Error(failure)
  }

  /** PyTorch, in its default memory format or in `channels_last`. */
  static async peer(python: string, timed: Case, threads: number, channelsLast: boolean): Promise<Side> {
    return await Side.#start(python, [peerSide, JSON.stringify({ ...timed, classes, threads, channelsLast })])
  }

  static async #start(command: string, args: readonly string[]): Promise<Side> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', cause =>
        reject(new Error(`${command} cannot be started: ${cause.message}`, { cause })),
      )
    })
    const reader = createInterface({ input: child.stdout })
    const lines = reader[Symbol.asyncIterator]()
    const hello: Hello = JSON.parse(await nextLine(lines))
    return new Side(child, reader, lines, hello)
  }

  /** Seconds that one run takes, the mean of `runs` in a row. */
  async time(runs: number): Promise<number> {
    this.#child.stdin?.write(`${runs}\n`)
    const answer: {
      readonly seconds: readonly number[]
      readonly peakBytes: number
      readonly failure?: string
    } = JSON.parse(await nextLine(this.#lines))
    if (answer.failure !== undefined) throw new Error(answer.failure)
    this.peakBytes = answer.peakBytes
    return answer.seconds.reduce((total, seconds) => total + seconds, 0) / runs
  }

  /** The process ends by itself when its input does. */
  async stop(): Promise<void> {
    const { exitCode, signalCode } = this.#child
    const hasEnded = exitCode !== null || signalCode !== null
    const ended = hasEnded || new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    this.#reader.close()
    await ended
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next()
  if (done === true)
    throw new Error(
      'a side of the bench ended early; what it wrote stands above (does the Python have torch?)',
    )
  return value
}
