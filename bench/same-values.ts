import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Table from 'cli-table3'
import { openTask } from 'moiety/tasks'
import {
  type BatchForm,
  resolveConfig,
  startEngines,
  type TaskBatch,
  TrainingPrograms,
  writeStep,
} from 'moiety/train'
import { median } from './statistics.js'

/**
 * The training loss of a plain network, step by step, in turn with PyTorch's from the same first values and on the same batches:
 * what is different between the two curves is rounding, or a fault. PyTorch in float64 says how much rounding does.
 */
export interface SameValuesOptions {
  /** A Python that has torch. */
  readonly python: string
  /** The folder of CIFAR-100; the embedded sample where it is undefined. */
  readonly data?: string | undefined
  readonly steps: number
  readonly seeds: number
  readonly threads: number
}

/** The losses of one seed: Moiety's and PyTorch's in float32, and PyTorch's in float64. */
export interface SameValuesResult {
  readonly seed: number
  readonly data: string
  readonly moiety: readonly number[]
  readonly float32: readonly number[]
  readonly float64: readonly number[]
}

const width = 8
const rate = 1e-3
const images = 2560
/** METHOD.md §4.1 */
const augmentation = {
  flip: 0.5,
  jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
  crop: { padding: 4, mode: 'zero' },
}
const peerSide = fileURLToPath(new URL('../../bench/pytorch/same_values.py', import.meta.url))

/** @param onTraining - told of each training before it begins */
export async function measureSameValues(
  options: SameValuesOptions,
  onTraining: (text: string) => void,
): Promise<SameValuesResult[]> {
  const results: SameValuesResult[] = []
  for (let seed = 1; seed <= options.seeds; seed++) {
    onTraining(`seed ${seed}`)
    results.push(await trainBoth(seed, options))
  }
  return results
}

async function trainBoth(
  seed: number,
  { python, data, steps, threads }: SameValuesOptions,
): Promise<SameValuesResult> {
  const config = resolveConfig(
    {
      seed,
      // The figures in METHOD.md were taken with these first values.
      model: { name: 'resnet18', stem: 'cifar', width, initialisation: 'fan-out', moe: [] },
      data: data === undefined ? { name: 'sample' } : { name: 'cifar100', directory: data },
      ...{ optimizer: { name: 'adam', learningRate: rate }, training: { batch: 128 } },
      augmentation,
    },
    'bench',
  )
  const limited = { ...config, data: { ...config.data, limit: { train: images, test: 1 } } }
  const task = await openTask(limited)
  const { optimizer } = config
  const write = (form: BatchForm) => ({ objective: task.objective(form), form, optimizer, clipNorm: null })
  const engines = await startEngines({ replicas: 1, threads })
  const peers = ['float32', 'float64'].map(precision =>
    Peer.start(python, { width, classes: task.data.classes.length, precision, rate, threads }),
  )
  const [single, double] = peers
  const losses = { moiety: [] as number[], float32: [] as number[], float64: [] as number[] }
  try {
    const programs = new TrainingPrograms(engines, { write, stepsPerEpoch: task.stepsPerEpoch }, seed)
    const form = task.forms(0)[0]!
    const ready = await programs.for(form)
    const { model } = writeStep(write(form))
    const state = ready.facts.initialState(seed)
    // Sent before the engine takes the tensors.
    const values = [...state].filter(([name]) => model.includes(name))
    for (const peer of peers) peer.begin(values)
    await engines[0].setState(state)
    for (let step = 0; step < steps; step++) {
      const epoch = Math.floor(step / task.stepsPerEpoch)
      const batch = await task.load(task.batches(epoch)[step % task.stepsPerEpoch]!, epoch)
      const { outputs } = await ready.take(batch, { step, epoch, rate })
      losses.moiety.push(Number(outputs.get('loss')!.data[0]))
      losses.float32.push(await single!.loss(batch))
      losses.float64.push(await double!.loss(batch))
    }
  } finally {
    for (const peer of peers) peer.stop()
    await Promise.all(engines.map(engine => engine.stop()))
  }
  return { seed, data: task.data.title, ...losses }
}

type Feed = TaskBatch['feeds'] extends ReadonlyMap<string, infer Tensor> ? Tensor : never

/** PyTorch in a process of its own: it is given first values and batches, and answers each batch with its loss. */
class Peer {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  readonly #failure: Promise<never>

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, failure: Promise<never>) {
    this.#child = child
    this.#lines = lines
    this.#failure = failure
  }

  static start(python: string, facts: object): Peer {
    const child = spawn(python, [peerSide, JSON.stringify(facts)], { stdio: ['pipe', 'pipe', 'inherit'] })
    // What is written after its end fails too; why it ended is said once.
    child.stdin.on('error', () => undefined)
    const failure = new Promise<never>((_, reject) => {
      child.once('error', cause =>
        reject(new Error(`${python} cannot be started: ${cause.message}`, { cause })),
      )
      child.once('exit', code => reject(new Error(`PyTorch's side ended with code ${code}`)))
    })
    failure.catch(() => undefined)
    return new Peer(child, createInterface({ input: child.stdout })[Symbol.asyncIterator](), failure)
  }

  begin(
    values: readonly (readonly [
      string,
      { readonly shape: readonly number[]; readonly data: Feed['data'] },
    ])[],
  ): void {
    this.#child.stdin!.write(`${JSON.stringify(values.map(([name, { shape }]) => ({ name, shape })))}\n`)
    for (const [, { data }] of values) this.#write(data)
  }

  async loss({ feeds }: TaskBatch): Promise<number> {
    const [inputs, labels] = [feeds.get('images')!, feeds.get('labels')!]
    this.#child.stdin!.write(`${JSON.stringify({ images: inputs.shape })}\n`)
    this.#write(inputs.data)
    this.#write(labels.data)
    const { value, done } = await Promise.race([this.#lines.next(), this.#failure])
    if (done === true) return await this.#failure
    return Number(JSON.parse(value).loss)
  }

  stop(): void {
    this.#child.stdin!.end()
  }

  #write(data: Feed['data']): void {
    // A copy, because the engine may take what the array is in.
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
    this.#child.stdin!.write(Buffer.from(bytes))
  }
}

/** Losses at some steps, their means over the last twenty, and how far the curves are from PyTorch's in float64. */
export function describeSameValues(results: readonly SameValuesResult[]): string {
  const steps = results[0]!.moiety.length
  const shown = [1, 10, 100, 300].filter(step => step < steps).concat(steps)
  const table = new Table({
    head: [
      'seed',
      '',
      ...shown.map(step => `step ${step}`),
      'mean of the last 20',
      'median distance',
      'largest',
    ],
    style: { head: [], border: [], compact: true },
  })
  for (const { seed, moiety, float32, float64 } of results)
    for (const [name, losses] of [
      ['Moiety', moiety],
      ['PyTorch', float32],
      ['PyTorch, float64', float64],
    ] as const) {
      const last = losses.slice(-20)
      const distances = losses.map((loss, i) => Math.abs(loss - float64[i]!))
      table.push([
        ...[seed, name, ...shown.map(step => losses[step - 1]!.toFixed(4))],
        (last.reduce((sum, loss) => sum + loss, 0) / last.length).toFixed(3),
        median(distances).toExponential(1),
        Math.max(...distances).toExponential(1),
      ])
    }
  return `${results[0]!.data}\n${table}`
}
