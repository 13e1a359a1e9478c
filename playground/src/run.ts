import { type Config, collapses, type LayerInfo, type LayerStats } from 'moiety/step'
import type { ImageData } from './training/data.ts'
import type { Answer, Order } from './training/protocol.ts'
import type { Look, Snapshot, StepReport, TestReport } from './training/training.ts'
import type { Traffic, WebDevice } from './training/web-engine.ts'

export type RunState = 'loading' | 'ready' | 'done' | 'failed'

/** What a run begins from, and on what. */
export interface RunStart {
  /** Short, as the heading says it. */
  readonly title: string
  readonly from: Config | Snapshot
  readonly data: ImageData | undefined
  /** Of a run whose data is not here. */
  readonly classes: readonly string[]
  readonly size: number
  readonly mean: ImageData['mean']
  readonly std: ImageData['std']
  readonly isTrainable: boolean
}

/** What the page does when something has changed. */
export interface RunEvents {
  /** Anything at all. */
  readonly changed: (run: Run) => void
  readonly stepped: (run: Run) => void
  readonly tested: (run: Run) => void
  /** What the visitor should know. */
  readonly said: (text: string) => void
}

/** Times that a lost device is tried again before the next kind of device. */
const mostLosses = 1

/** An alarm is no alarm before as many tests in a row. */
const testsForAlarm = 3
/** Steps whose shares count for it. */
const stepsForAlarm = 20

/** A run as the page sees it: its worker, and what the worker has told. */
export class Run {
  state: RunState = 'loading'
  step = 0
  device: WebDevice
  threads = 1
  parameters = 0
  /** Of the last step. */
  traffic: Traffic | undefined
  layers: readonly LayerInfo[] = []
  /** Of every step. */
  readonly steps: StepReport[] = []
  readonly tests: TestReport[] = []
  failure: string | undefined
  #worker: Worker | undefined
  #snapshot: Snapshot | undefined
  #until = 0
  #losses = 0
  #looks = new Map<number, (look: Look) => void>()
  #lookNumber = 0
  #exporting: ((archive: { name: string; bytes: Uint8Array }) => void) | undefined

  constructor(
    readonly start: RunStart,
    device: WebDevice,
    readonly wantedThreads: number,
    readonly events: RunEvents,
  ) {
    this.device = device
    const { from } = start
    if ('state' in from) {
      this.step = from.step
      this.#snapshot = from
    }
    this.#begin(from)
  }

  get config(): Config {
    const { from } = this.start
    return 'state' in from ? from.config : from
  }

  get latest(): TestReport | undefined {
    return this.tests.at(-1)
  }

  /** The layer that is shown: the last one, which sees the most. */
  get shown(): number {
    return this.layers.length - 1
  }

  get experts(): number {
    return this.layers.at(-1)?.experts ?? this.config.model.moe.at(-1)?.experts ?? 0
  }

  /**
   * Experts that hardly any held-out image has had in the last tests, by the limit of `moiety train`, and that have little to do while
   * training too: a hard constraint sends them images there, which is no collapse.
   */
  get starved(): readonly number[] {
    const recent = this.tests.slice(-testsForAlarm)
    if (recent.length < testsForAlarm) return []
    const all = recent.map(
      ({ layers }) => collapses(layers.slice(-1), this.config.training.collapse)[0]?.starved ?? [],
    )
    return all[0]!.filter(
      expert => all.every(starved => starved.includes(expert)) && this.#shareOf(expert) < 0.5 / this.experts,
    )
  }

  /** Share of an expert in the last steps; 0 where there are none. */
  #shareOf(expert: number): number {
    const recent = this.steps.slice(-stepsForAlarm)
    const own = recent.map(({ layers }) => layers[this.shown]?.importance[expert] ?? 0)
    return own.reduce((sum, share) => sum + share, 0) / Math.max(1, own.length)
  }

  /** Whether it can take steps. */
  get isGoing(): boolean {
    return this.state === 'ready' && this.start.isTrainable
  }

  /** Lets it train until so many steps are done. */
  trainUntil(step: number): void {
    if (step === this.#until) return
    this.#until = step
    this.#order({ kind: 'until', step })
  }

  test(): void {
    this.#order({ kind: 'test' })
  }

  /** @param pixels - uint8 [3, S, S] */
  async look(pixels: Uint8Array): Promise<Look> {
    const { mean, std } = this.start
    const number = this.#lookNumber++
    return await new Promise(resolve => {
      this.#looks.set(number, resolve)
      this.#order({ kind: 'look', number, pixels, mean, std })
    })
  }

  async export(name: string): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
    return await new Promise(resolve => {
      this.#exporting = resolve
      this.#order({ kind: 'export', name })
    })
  }

  /** Shows the steps that a run has taken before it was opened. */
  restoreLog(log: readonly string[]): void {
    for (const line of log) {
      const { kind, split, step, epoch, loss, taskLoss, auxLoss, top1, top5, layers } = JSON.parse(line)
      if (typeof step !== 'number' || typeof loss !== 'number') continue
      if (kind === 'step')
        this.steps.push({ step, epoch, loss, taskLoss, auxLoss, top1, layers: [], seconds: 0 })
      // What is known of the shares of earlier steps is the mean of their epoch.
      if (kind === 'epoch' && split === 'train')
        for (const [i, one] of this.steps.entries())
          if (one.epoch === epoch)
            this.steps[i] = {
              ...one,
              layers: layers.map(({ importance }: LayerStats) => ({ importance, closed: [] })),
            }
      if (kind === 'epoch' && split !== 'train')
        this.tests.push({
          ...{ step, loss, top1, top5, layers },
          ...{ weights: [], logits: [], classPreference: undefined, seconds: 0 },
        })
    }
  }

  /** For tests. */
  lose(): void {
    this.#order({ kind: 'lose' })
  }

  stop(): void {
    this.#worker?.terminate()
    this.#worker = undefined
  }

  #order(order: Order): void {
    this.#worker?.postMessage(order)
  }

  #begin(from: Config | Snapshot): void {
    this.state = 'loading'
    const worker = new Worker(new URL('./training/worker.ts', import.meta.url), { type: 'module' })
    this.#worker = worker
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      if (worker === this.#worker) this.#hear(data)
    })
    worker.addEventListener('error', event => {
      event.preventDefault()
      if (worker === this.#worker)
        this.#fail(event.message || 'the worker that trains could not be started', undefined, true)
    })
    const { data, isTrainable, classes, size } = this.start
    this.#order({
      kind: 'start',
      ...{ from, data, isTrainable, size, classes: classes.length },
      device: this.device,
      threads: this.wantedThreads,
      files: new URL('./ort/', document.baseURI).href,
    })
    // A run that was opened is shown before it takes a step; a new one has nothing to show.
    if (data !== undefined && 'state' in from) this.#order({ kind: 'test' })
    this.#order({ kind: 'until', step: this.#until })
  }

  #hear(answer: Answer): void {
    switch (answer.kind) {
      case 'ready':
        this.state = answer.isDone ? 'done' : 'ready'
        this.device = answer.device
        this.threads = answer.threads
        this.step = answer.step
        this.layers = answer.layers
        this.parameters = answer.parameters
        break
      case 'step':
        this.step = answer.report.step
        this.steps.push(answer.report)
        this.traffic = answer.traffic
        if (answer.isDone) this.state = 'done'
        this.events.stepped(this)
        break
      case 'test':
        if (this.latest?.step === answer.report.step) this.tests.pop()
        this.tests.push(answer.report)
        this.events.tested(this)
        break
      case 'look':
        this.#looks.get(answer.number)?.(answer.look)
        this.#looks.delete(answer.number)
        return
      case 'snapshot':
        this.#snapshot = answer.snapshot
        return
      case 'export':
        this.#exporting?.(answer)
        return
      case 'failed':
        this.#fail(answer.message, answer.help, answer.isLost)
        break
    }
    this.events.changed(this)
  }

  /** On a graphics card a run goes on elsewhere; otherwise it ends. */
  #fail(message: string, help: string | undefined, isLost: boolean): void {
    this.stop()
    const isGpu = this.device === 'webgpu'
    if (isGpu || (isLost && this.#losses < mostLosses)) {
      this.#losses += 1
      if (isGpu && (!isLost || this.#losses > mostLosses)) this.device = 'wasm'
      this.events.said(
        `${message}. ${this.device === 'wasm' ? 'WebAssembly goes on' : 'Trying again'} from step ${this.#snapshot?.step ?? 0}.`,
      )
      const from = this.#snapshot ?? this.start.from
      this.step = 'state' in from ? from.step : 0
      this.#forgetAfter(this.step)
      this.#begin(from)
    } else {
      this.state = 'failed'
      this.failure = help === undefined ? message : `${message}; ${help}`
      this.events.said(this.failure)
    }
    this.events.changed(this)
  }

  /** What was told of steps that are taken again. */
  #forgetAfter(step: number): void {
    while ((this.steps.at(-1)?.step ?? 0) > step) this.steps.pop()
    while ((this.tests.at(-1)?.step ?? 0) > step) this.tests.pop()
  }
}
