import { MoietyError, makeBatch, nameOf, splitOfArrays } from 'moiety/step'
import { packed } from './archive.ts'
import type { Answer, Order } from './protocol.ts'
import { runFiles } from './run-files.ts'
import { type TestReport, Training } from './training.ts'
import { DeviceLost, type WebDevice, WebEngine } from './web-engine.ts'

declare const __VERSION__: string
declare const __ONNXRUNTIME__: string

type Start = Extract<Order, { kind: 'start' }>

/** One run: it trains until it is told to stop, and answers between two steps. */
class RunWorker {
  readonly #orders: Order[] = []
  #isWorking = false
  #until = 0
  #start: Start | undefined
  #engine: WebEngine | undefined
  #training: Training | undefined
  /** Tests take at most this much of the time; see {@link #testIfDue}. */
  readonly #testShare = 0.25
  #isTested = false
  #sinceTest = 0
  #stepsSinceTest = 0
  #testSeconds = 0

  take(order: Order): void {
    // Only the last of these counts.
    if (order.kind === 'until') this.#until = order.step
    else this.#orders.push(order)
    if (!this.#isWorking) void this.#work()
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    try {
      for (;;) {
        const order = this.#orders.shift()
        if (order !== undefined) await this.#follow(order)
        else if (!(await this.#train())) break
        await nextTurn()
      }
    } catch (cause) {
      this.#until = 0
      answer({
        kind: 'failed',
        message: cause instanceof Error ? cause.message : String(cause),
        help: cause instanceof MoietyError ? cause.help : undefined,
        isLost: cause instanceof DeviceLost,
      })
    } finally {
      this.#isWorking = false
    }
    if (this.#orders.length > 0) void this.#work()
  }

  /** False where there is nothing to do. */
  async #train(): Promise<boolean> {
    const training = this.#training
    if (training === undefined || training.isDone || training.step >= this.#until) return false
    const { report, tested } = await training.takeStep()
    answer({ kind: 'step', report, isDone: training.isDone, traffic: this.#engine!.traffic })
    this.#sinceTest += report.seconds
    this.#stepsSinceTest += 1
    if (tested !== undefined) await this.#tested(tested)
    else if (this.#isTestDue()) await this.#test()
    return true
  }

  /** Often enough to watch, and no more than a share of the time. */
  #isTestDue(): boolean {
    if (!this.#isTested) return true
    const least = this.#testSeconds * (1 / this.#testShare - 1)
    return this.#stepsSinceTest >= 5 && this.#sinceTest >= Math.max(0.7, least)
  }

  async #test(): Promise<void> {
    await this.#tested(await this.#training!.test())
  }

  async #tested(report: TestReport): Promise<void> {
    answer({ kind: 'test', report })
    this.#isTested = true
    // A graphics card, or this worker, may be lost at any time, and with it what it holds.
    if (this.#start!.isTrainable) answer({ kind: 'snapshot', snapshot: await this.#training!.snapshot() })
    this.#testSeconds = report.seconds
    this.#sinceTest = 0
    this.#stepsSinceTest = 0
  }

  async #follow(order: Order): Promise<void> {
    switch (order.kind) {
      case 'start':
        return await this.#begin(order)
      case 'test':
        return this.#start?.data === undefined ? undefined : await this.#test()
      case 'look': {
        const { size } = this.#start!
        const split = splitOfArrays({
          pixels: order.pixels,
          labels: [0],
          size: this.#start!.data?.size ?? size,
        })
        const { images } = await makeBatch(split, [0], {
          mean: order.mean,
          std: order.std,
          seed: 0,
          epoch: 0,
        })
        const look = await this.#training!.look(images)
        return answer({ kind: 'look', number: order.number, look })
      }
      case 'snapshot':
        return answer({ kind: 'snapshot', snapshot: await this.#training!.snapshot() })
      case 'export': {
        const { data, device } = this.#start!
        const snapshot = await this.#training!.snapshot()
        const files = runFiles(snapshot, data!, {
          version: __VERSION__,
          device,
          threads: this.#engine!.threads,
          onnxruntime: __ONNXRUNTIME__,
          browser: navigator.userAgent,
        })
        const name = `${order.name}-${nameOf(snapshot.step)}`
        return answer({ kind: 'export', name: `${name}.zip`, bytes: packed(files, name) })
      }
      case 'lose':
        return await this.#engine!.lose()
      case 'until':
        return undefined
    }
  }

  async #begin(start: Start): Promise<void> {
    this.#start = start
    const { device, files, threads } = start
    if (device === 'webgpu') await refuseOtherNumbers(start)
    this.#engine = await WebEngine.start(device, files, threads)
    this.#training = await Training.begin(this.#engine, start.from, start.data, {
      isTrainable: start.isTrainable,
      ...{ size: start.size, classes: start.classes },
    })
    const { step, layers, parameters, isDone } = this.#training
    answer({ kind: 'ready', device, threads: this.#engine.threads, step, layers, parameters, isDone })
  }
}

/**
 * Graphics cards and drivers are many, and not all of them compute what they should: after a step WebGPU has to see the same loss
 * as WebAssembly.
 *
 * @throws MoietyError (usage) where it does not
 */
async function refuseOtherNumbers({ from, data, files, threads }: Start): Promise<void> {
  if (data === undefined) return
  const config = 'state' in from ? from.config : from
  const count = Math.min(32, data.test.labels.length)
  const few = {
    ...data,
    test: {
      pixels: data.test.pixels.slice(0, count * 3 * data.size ** 2),
      labels: data.test.labels.slice(0, count),
    },
  }
  const lossOn = async (device: WebDevice): Promise<number> => {
    const training = await Training.begin(await WebEngine.start(device, files, threads), config, few)
    await training.takeStep()
    return (await training.test()).loss
  }
  const [here, there] = [await lossOn('webgpu'), await lossOn('wasm')]
  if (Math.abs(here - there) <= 1e-2 * Math.max(1, Math.abs(there))) return
  throw new MoietyError({
    kind: 'usage',
    message: `WebGPU computes other numbers here: a loss of ${here.toFixed(4)} after a step instead of ${there.toFixed(4)}`,
  })
}

/** Timers may wait for seconds in pages that are hidden; messages do not. */
const { port1, port2 } = new MessageChannel()
let resume: (() => void) | undefined
port1.onmessage = () => resume?.()

async function nextTurn(): Promise<void> {
  await new Promise<void>(resolve => {
    resume = resolve
    port2.postMessage(0)
  })
}

function answer(message: Answer): void {
  const handed = message.kind === 'export' ? [message.bytes.buffer as ArrayBuffer] : []
  self.postMessage(message, { transfer: handed })
}

const worker = new RunWorker()
self.addEventListener('message', ({ data }: MessageEvent<Order>) => worker.take(data))
