import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Case, classes } from './cases.js'

interface Hello {
  readonly torch: string
  readonly threads: number
  readonly parameters: number
}

const script = fileURLToPath(new URL('../../bench/pytorch/peer.py', import.meta.url))

/** The same training step in PyTorch, in a process of its own that waits between steps. */
export class Peer {
  readonly hello: Hello
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #reader: Interface

  private constructor(child: ChildProcess, reader: Interface, lines: AsyncIterator<string>, hello: Hello) {
    this.#child = child
    this.#reader = reader
    this.#lines = lines
    this.hello = hello
  }

  static async prepare(python: string, timed: Case, threads: number, channelsLast: boolean): Promise<Peer> {
    const { width, batch, optimizer, labelSmoothing, moe } = timed
    const task = { width, batch, optimizer, labelSmoothing, moe, classes, threads, channelsLast }
    const child = spawn(python, [script, JSON.stringify(task)], { stdio: ['pipe', 'pipe', 'inherit'] })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', cause =>
        reject(new Error(`${python} cannot be started: ${cause.message}`, { cause })),
      )
    })
    const reader = createInterface({ input: child.stdout })
    const lines = reader[Symbol.asyncIterator]()
    const hello: Hello = JSON.parse(await nextLine(lines))
    return new Peer(child, reader, lines, hello)
  }

  /** Seconds that one step takes. */
  async time(): Promise<number> {
    this.#child.stdin?.write('1\n')
    const answer: { readonly seconds: readonly number[] } = JSON.parse(await nextLine(this.#lines))
    return answer.seconds[0]!
  }

  /** The process ends by itself when its input does. */
  async stop(): Promise<void> {
    const ended = new Promise(resolve => this.#child.once('exit', resolve))
    this.#child.stdin?.end()
    this.#reader.close()
    await ended
  }
}

async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next()
  if (done === true)
    throw new Error('PyTorch ended early; what it wrote stands above (does this Python have torch?)')
  return value
}
