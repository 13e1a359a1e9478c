import { availableParallelism, cpus } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { draws } from '../base/random.ts'
import { sizeOf } from '../base/tensor.ts'
import type { Program, TensorSpec } from '../graph/index.ts'
import { stoppedBy } from '../run/events.ts'
import type { Latency } from '../run/latency.ts'
import { isDetector } from '../tasks/detection/detector-of.ts'
import { modelFile } from './export-model.ts'
import { type ExportOptions, networksOf } from './export-run.ts'
import { readRun } from './run-facts.ts'

/** Which run's exported file is measured. */
export interface LatencyOptions
  extends Pick<ExportOptions, 'run' | 'checkpoint' | 'weights' | 'onEvent' | 'signal'> {
  /** Of one operation; default: as many as the machine has. */
  readonly threads?: number | undefined
  /** Default: 9. */
  readonly rounds?: number | undefined
}

/**
 * How long ONNX Runtime takes for the file that a run is exported as, on the CPU: sparse and dense, one image and 128 (a detector
 * one). Each form is run once, and then in turns with the others, so that a busy machine slows all alike. The images are noise.
 *
 * @throws MoietyError as `exportRun`
 */
export async function measureLatency(options: LatencyOptions): Promise<Latency> {
  const { run, rounds = 9, signal } = options
  const onEvent = stoppedBy(signal, options.onEvent)
  const threads = Math.min(options.threads ?? availableParallelism(), availableParallelism())
  const facts = await readRun(run, onEvent, { checkpoint: options.checkpoint, weights: options.weights })
  const batches = isDetector(facts.config.model) ? [1] : [1, 128]
  const [network] = networksOf(facts, 'model.onnx')
  const { InferenceSession, loadedVersion, toEngine } = await import('../runtime/node-binding.ts')
  const open = async (program: Program) =>
    await InferenceSession.create(program.model, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    })
  const file = (routing: 'sparse' | 'dense', batch: number | null): Program =>
    modelFile(network!.build({ routing, batch, uint8: false, channelsLast: false }), {
      name: facts.config.model.name,
      metadata: {},
    })
  const sparse = file('sparse', null)
  const session = await open(sparse)
  const forms = []
  for (const batch of batches) {
    forms.push({ routing: 'sparse' as const, batch, input: sparse.inputs[0]!, session })
    signal?.throwIfAborted()
    const dense = file('dense', batch)
    forms.push({ routing: 'dense' as const, batch, input: dense.inputs[0]!, session: await open(dense) })
  }
  const runs = forms.map(({ routing, batch, input, session: own }) => {
    const feeds = { [input.name]: toEngine(noise(input, batch)) }
    return { routing, batch, times: [] as number[], run: async () => await own.run(feeds) }
  })
  try {
    for (let round = 0; round <= rounds; round++) {
      onEvent({ kind: 'progress', what: 'measuring latency', done: round, total: rounds + 1 })
      for (const one of runs) {
        await setImmediate()
        signal?.throwIfAborted()
        const began = performance.now()
        await one.run()
        if (round > 0) one.times.push(performance.now() - began)
      }
    }
  } finally {
    for (const own of new Set(forms.map(form => form.session))) await own.release()
  }
  return {
    version: 1,
    threads,
    rounds,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    runtime: loadedVersion,
    forms: runs.map(({ routing, batch, times }) => {
      const sorted = times.toSorted((a, b) => a - b)
      return { routing, batch, median: medianOf(sorted), least: sorted[0]!, most: sorted.at(-1)! }
    }),
  }
}

/** Of sorted values. */
function medianOf(sorted: readonly number[]): number {
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

function noise({ name, shape: declared }: TensorSpec, batch: number) {
  const shape = [batch, ...declared.slice(1).map(Number)]
  const source = draws(0, `latency ${name}`)
  // As far apart as normalised pixels.
  const data = Float32Array.from({ length: sizeOf(shape) }, () => source.between(-2, 2))
  return { dtype: 'float32' as const, shape, data }
}
