import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { draws } from '../src/base/random.ts'
import type { HostTensor, State } from '../src/base/tensor.ts'
import { type Config, resolveConfig, withoutSafeKeys } from '../src/config/config.ts'
import type { JsonObject } from '../src/files/json.ts'
import { Graph } from '../src/graph/index.ts'
import { Scope } from '../src/nn/index.ts'
import { writeCheckpoint } from '../src/run/checkpoint.ts'
import { configHash } from '../src/run/run-folder.ts'
import { chosenCheckpoint } from '../src/tasks/choose-checkpoint.ts'
import { evaluationProgram } from '../src/tasks/classification/evaluation-program.ts'
import { classifierOf } from '../src/tasks/classifier-of.ts'
import { checkpointIdentity } from '../src/tasks/open-run.ts'

/** Runs that were never trained but look as if: what a folder holds, with random values, in milliseconds. */

export const classes = ['ant', 'bee', 'cat "x"', 'döner', '<e>']

export const dataFacts = {
  classes,
  train: 50,
  test: 10,
  labels: 'not looked at',
  superclasses: ['animal', 'other'],
  superclassOf: [0, 0, 0, 1, 1],
  mean: [0.5, 0.45, 0.4],
  std: [0.25, 0.2, 0.3],
} as const

/** A network of a few thousand numbers; `moe` and whatever else is given replaces the defaults. */
export function smallConfig(moe: readonly object[], model: object = {}): Config {
  return resolveConfig(
    {
      data: { name: 'folder', directory: 'nowhere', size: 16 },
      model: { name: 'resnet18', width: 4, moe, ...model },
    },
    'test',
  )
}

/** Random values for all that the network declares; BatchNorm and counters too, so that none of them does nothing. */
export function randomState(config: Config, count = classes.length): Map<string, HostTensor> {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const { size } = config.data
  classifierOf(config.model, { classes: count })(
    scope,
    graph.input('images', 'float32', ['N', 3, size, size]),
  )
  const state = scope.declarations.initialState(11)
  for (const [name, { shape, data }] of state) {
    const source = draws(3, name)
    const between = (low: number, high: number): HostTensor => ({
      dtype: 'float32',
      shape,
      data: Float32Array.from({ length: data.length }, () => source.between(low, high)),
    })
    if (name.endsWith('running_var')) state.set(name, between(0.3, 2))
    else if (shape.length === 1 && !name.endsWith('.active')) {
      state.set(name, name.endsWith('weight') ? between(0.5, 1.5) : between(-0.4, 0.4))
    }
  }
  return state
}

/** Writes a run whose newest checkpoint has this state. */
export function writeRun(
  folder: string,
  config: Config,
  {
    state = randomState(config),
    data = dataFacts,
  }: { readonly state?: State; readonly data?: JsonObject } = {},
): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'environment.json'), JSON.stringify({ recipe: 'tiny' }))
  const line = { kind: 'epoch', split: 'test', epoch: 0, step: 7, top1: 0.25, top5: 0.75 }
  writeFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify(line)}\n`)
  const extra = { data, best: { measure: 'top1', value: 0.25, step: 7, epoch: 0 } }
  writeCheckpoint(folder, {
    step: 7,
    epoch: 1,
    batch: 0,
    config: configHash(withoutSafeKeys(config)),
    state,
    extra,
  })
  return folder
}

/** Pixels 0 … 255, [count, 3, size, size]. */
export function randomPixels(count: number, size: number): Uint8Array {
  const source = draws(9, 'pixels')
  return Uint8Array.from({ length: count * 3 * size * size }, () => source.below(256))
}

/** (pixel / 255 − mean) / std of planar pixels. */
export function normalised(pixels: Uint8Array, size: number): Float32Array {
  const { mean, std } = dataFacts
  return Float32Array.from(pixels, (pixel, at) => {
    const channel = Math.floor(at / (size * size)) % 3
    return (pixel / 255 - mean[channel]!) / std[channel]!
  })
}

/** Where the value that stands at `at` in [N, S, S, 3] stands in [N, 3, S, S]. */
export function planarPlace(at: number, size: number): number {
  const area = size * size
  const [image, pixel, channel] = [Math.floor(at / (3 * area)), Math.floor(at / 3) % area, at % 3]
  return (image * 3 + channel) * area + pixel
}

export type Outputs = Readonly<
  Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
>

/** Runs a model in ONNX Runtime directly, without Moiety. */
export async function runModel(
  model: Uint8Array | string,
  feeds: Readonly<Record<string, Tensor>>,
  graphOptimizationLevel: 'disabled' | 'basic' | 'extended' | 'all' = 'all',
): Promise<Outputs> {
  const options = { intraOpNumThreads: 1, logSeverityLevel: 3, graphOptimizationLevel } as const
  const session =
    typeof model === 'string'
      ? await InferenceSession.create(model, options)
      : await InferenceSession.create(model, options)
  const results = await session.run(feeds)
  return Object.fromEntries(
    Object.entries(results).flatMap(([name, { dims, data }]) =>
      data instanceof Float32Array ? [[name, { dims, data }]] : [],
    ),
  )
}

/** What the program that evaluates a run gives: the reference, independent of the export. */
export async function evaluated(
  config: Config,
  state: State,
  images: Float32Array,
  count = classes.length,
): Promise<Outputs> {
  const { size } = config.data
  const { program } = evaluationProgram({ classifier: classifierOf(config.model, { classes: count }), size })
  const N = images.length / (3 * size * size)
  const feeds = program.inputs.map(({ name, dtype, shape }) => {
    if (name === 'images') return [name, new Tensor('float32', images, [N, 3, size, size])] as const
    if (name === 'labels') return [name, new Tensor('int64', new BigInt64Array(N), [N])] as const
    const { data } = state.get(name)!
    if (dtype !== 'float32' || !(data instanceof Float32Array)) throw new Error(`${name} is ${dtype}`)
    return [name, new Tensor('float32', data, shape.map(Number))] as const
  })
  return await runModel(program.model, Object.fromEntries(feeds))
}

/** The largest absolute difference; infinite for other lengths or what is not a number. */
export function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY
  const worst = Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => (x > y ? x : y), 0)
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst
}

/** Writes a report about the run's newest checkpoint that has captions for its layers, as `moiety explain` does. */
export function writeCaptions(run: string, layers: readonly object[], more: object = {}): void {
  const checkpoint = checkpointIdentity(chosenCheckpoint(run))
  writeFileSync(
    join(run, 'report.json'),
    JSON.stringify({
      version: 3,
      run: { checkpoint },
      layers,
      extras: { task: 'classification', layers },
      ...more,
    }),
  )
}
