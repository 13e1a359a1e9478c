import { createInterface } from 'node:readline'
import { z } from 'zod'
import { PackageFolder } from './alternative-packages.js'
import type { AlternativeName } from './alternatives.js'
import { type Case, classes } from './cases.js'
import { Exported, exportedFile, imagesOf } from './exported.js'
import { jaxStep } from './jax-step.js'
import { configOf, labelsOf, Ours, stepOf } from './moiety-program.js'
import { onnxWeb } from './onnx-web.js'
import type { PlainTensor } from './plain-network.js'
import type { TfjsBackend } from './tfjs.js'
import { tfjsNetwork } from './tfjs-network.js'
import { tfjsStep } from './tfjs-step.js'
import { comparedSteps, type PlainTraining, type TimedAlternative } from './timed-alternative.js'

/**
 * A library of `--alternatives`, ours among them, in a process of its own: what it computed is its first line, then each line of stdin
 * asks for so many runs.
 */
const {
  alternative,
  packages: folder,
  threads,
  ...timed
}: Case & {
  readonly alternative: AlternativeName
  readonly packages: string
  readonly threads: number
} = JSON.parse(process.argv[2] ?? '')
const say = (answer: object): void => void process.stdout.write(`${JSON.stringify(answer)}\n`)
// Libraries greet there.
console.log = console.info = console.warn = () => undefined

const step = stepOf(timed)
const packages = new PackageFolder(folder)
const sgd = z.object({ momentum: z.number(), weightDecay: z.number() })

/** The values that training begins with, and which the exported file has. */
function firstValues(): Map<string, PlainTensor> {
  return new Map(
    [...step.initialState(42)].flatMap(([name, { shape, data }]) =>
      data instanceof Float32Array ? [[name, { shape, data }] as const] : [],
    ),
  )
}

async function ours(): Promise<TimedAlternative> {
  if (timed.task === 'inference') {
    const exported = await Exported.prepare(timed, threads)
    return {
      threads,
      outputs: () => exported.logits(),
      run: async () => void (await exported.time()),
      stop: () => exported.stop(),
    }
  }
  const training = await Ours.prepare(timed, { threads })
  return {
    threads,
    outputs: async () => {
      const losses: number[] = []
      for (let i = 0; i < comparedSteps; i++) losses.push(await training.loss())
      return losses
    },
    run: async () => void (await training.time()),
    stop: () => training.stop(),
  }
}

function training(): PlainTraining {
  const { optimizer } = configOf(timed)
  if (optimizer.name !== 'sgd' || timed.labelSmoothing > 0)
    throw new Error('its step is written for sgd without label smoothing')
  const { momentum, weightDecay } = sgd.parse(optimizer)
  const descent = { rate: 1e-3, momentum, weightDecay }
  return { state: firstValues(), images: imagesOf(timed), labels: labelsOf(timed), classes, descent }
}

async function tfjsOn(backend: TfjsBackend): Promise<TimedAlternative> {
  return timed.task === 'inference'
    ? await tfjsNetwork(packages, backend, { state: firstValues(), images: imagesOf(timed), threads })
    : await tfjsStep(packages, backend, { ...training(), threads })
}

async function prepared(): Promise<TimedAlternative> {
  switch (alternative) {
    case 'moiety':
      return await ours()
    case 'onnxruntime-web':
      return await onnxWeb({ file: exportedFile(timed).file, images: imagesOf(timed), threads })
    case 'tfjs-wasm':
      return await tfjsOn('wasm')
    case 'tfjs-node':
      return await tfjsOn('tensorflow')
    case 'tfjs-cpu':
      return await tfjsOn('cpu')
    case 'jax-js':
      return await jaxStep(packages, training())
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

try {
  const side = await prepared()
  const outputs = await side.outputs()
  say({ torch: null, threads: side.threads, parameters: step.parameterCount, outputs })
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      const seconds: number[] = []
      for (let run = 0; run < Number(line); run++) {
        const start = performance.now()
        await side.run()
        seconds.push((performance.now() - start) / 1000)
      }
      say({ seconds, peakBytes: process.resourceUsage().maxRSS * 1024 })
    } catch (error) {
      say({ failure: reasonOf(error) })
      break
    }
  }
  await side.stop()
} catch (error) {
  say({ failure: reasonOf(error) })
}
// A library may leave timers or threads.
process.exit(0)
