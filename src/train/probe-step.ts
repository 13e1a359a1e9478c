import { fail } from '../base/errors.ts'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, type State, scalar, sizeOf } from '../base/tensor.ts'
import { globalAveragePool, interpret, maxPool, relu } from '../graph/index.ts'
import { type Classifier, embed } from '../models/index.ts'
import { gapFc, importance } from '../moe/index.ts'
import { basicBlock, batchNorm, conv, linear } from '../nn/index.ts'
import { type Device, Engine, type LoadedProgram } from '../runtime/index.ts'
import { classifierStepOptions } from './classification-step.ts'
import { differentiate, optimizerStep, type TrainingStep, type WriteStepOptions, writeStep } from './step.ts'
import { updatesOf } from './training-programs.ts'

/**
 * The training step that a device is tried with: small, but with every part of the built-in networks. Forward, backward, optimizer
 * and statistics are written as those of any training are, so a device that takes this step takes theirs.
 */

const [classes, batch, size, channels, experts] = [4, 16, 16, 8, 3]

/** Stem, a ResBlock mixture with BatchNorm in its experts and its shortcut, mean over pixels, classifier. */
function mixture(pools: boolean): Classifier {
  const { replaced } = embed('resnet18', channels, [
    {
      position: 2,
      style: 'resblock',
      experts,
      k: 2,
      expertWidth: channels,
      gate: gapFc,
      constraint: importance({ weight: 0.5 }),
      weighting: 'softmax-after-top-k',
      dispatch: 'sparse',
      noise: true,
      lift: null,
    },
  ])
  const plan = { position: 2, block: basicBlock, depth: 1, width: channels, outputs: 2 * channels, stride: 2 }
  return (scope, images) => {
    const first = scope.in('conv1', inner => conv(inner, images, { outputs: channels, kernel: 3 }))
    const active = relu(scope.in('bn1', inner => batchNorm(inner, first)))
    const stem = pools ? maxPool(active, { kernel: 3, stride: 2, padding: 1 }) : active
    const layer = scope.in('layer2', inner => replaced.get(2)!(inner, stem, { ...plan, kernel: 3 }))
    const logits = scope.in('fc', inner => linear(inner, globalAveragePool(layer.output), classes))
    return { logits, losses: layer.losses, stats: layer.stats }
  }
}

/** What the step is written from. SGD with momentum: its first velocities are the gradients, so each of them is compared. */
function optionsOf(pools: boolean): WriteStepOptions {
  return classifierStepOptions({
    classifier: mixture(pools),
    ...{ classes, batch, size },
    optimizer: {
      name: 'sgd',
      learningRate: 0.1,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 5e-4,
      groups: [],
    },
    labelSmoothing: 0.1,
    clipNorm: null,
  })
}

/** A step with all that it needs to be taken; the values are the same everywhere. */
export interface ProbeStep {
  readonly pools: boolean
  readonly step: TrainingStep
  readonly state: State
  readonly feeds: ReadonlyMap<string, HostTensor>
}

/** @param pools - whether the stem ends in a max-pool, as that of ImageNet does */
export function probeStep(pools: boolean): ProbeStep {
  const step = writeStep(optionsOf(pools))
  const labels = BigInt64Array.from({ length: batch }, (_, i) => BigInt(i % classes))
  return {
    pools,
    step,
    state: step.initialState(1),
    feeds: new Map<string, HostTensor>([
      ['images', normal([batch, 3, size, size], 'images')],
      ['labels', { dtype: 'int64', shape: [batch], data: labels }],
      ['learningRate', scalar(0.1)],
      ...step.noise.map(({ name, shape }) => [name, normal(shape, name)] as const),
    ]),
  }
}

function normal(shape: readonly number[], purpose: string): HostTensor {
  const source = draws(1, `probe.${purpose}`)
  return floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

/** What a step brings: the loss before it, and the whole state after it, by name. */
export type StepOutcome = ReadonlyMap<string, { readonly data: ArrayLike<number | bigint> }>

/** What of an engine takes a step. */
export interface StepTaker extends Pick<Engine, 'setState' | 'readState' | 'stop'> {
  load(
    program: TrainingStep['program'],
    options: { readonly updates: ReadonlyMap<string, string> },
  ): Promise<Pick<LoadedProgram, 'step'>>
}

/** Starts an engine; `profile` is the prefix of the files in which it notes where each operation runs. */
export type StartEngine = (device: Device, profile?: string) => Promise<StepTaker>

/**
 * Takes the step on a device, through the same engine as a training. The caller has found that the device is there.
 *
 * @throws MoietyError as `Engine.load` and `LoadedProgram.step`; `diverged` where the loss is not finite
 */
export async function takeProbeStep(
  device: Device,
  { step, state, feeds }: ProbeStep,
  start: StartEngine = (device, profile) =>
    Engine.start({ device, threads: 1, isTried: true, ...(profile === undefined ? {} : { profile }) }),
  profile?: string,
): Promise<StepOutcome> {
  const engine = await start(device, profile)
  try {
    await engine.setState(state)
    const { updates, guards, program } = step
    const loaded = await engine.load(program, { updates: updatesOf(step) })
    const { outputs, nonFinite } = await loaded.step(feeds, { updates, guards })
    if (nonFinite.length > 0)
      fail({ kind: 'diverged', message: `the step gave values that are not finite: ${nonFinite.join(', ')}` })
    return new Map([['loss', outputs.get('loss')!], ...(await engine.readState())])
  } finally {
    await engine.stop()
  }
}

/** What the step brings in float64. */
export function exactProbeStep({ pools, state, feeds }: ProbeStep): StepOutcome {
  const options = optionsOf(pools)
  const { graph, loss, gradients, assigned } = differentiate(options)
  const { optimized } = optimizerStep(graph, gradients, options.optimizer, options.clipNorm)
  const changed = new Map([...optimized.updates, ...assigned])
  const fed = [...state, ...feeds].map(
    ([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data, Number) }] as const,
  )
  const [first, ...values] = interpret([loss, ...changed.values()], new Map(fed))
  return new Map([['loss', first!], ...[...changed.keys()].map((name, i) => [name, values[i]!] as const)])
}

/** By how much a step differs from another. */
export interface StepDifference {
  /** Of the loss, relative. */
  readonly loss: number
  /** ‖a − b‖ / ‖b‖ of the tensor of the state that differs most. NaN where it has other values, or none. */
  readonly state: number
  /** That tensor's name. */
  readonly tensor: string
}

export function differenceOf(taken: StepOutcome, expected: StepOutcome): StepDifference {
  const difference = (name: string): number => {
    const [got, wanted] = [taken.get(name)?.data ?? [], expected.get(name)!.data]
    let [squares, size] = [0, 0]
    for (let i = 0; i < wanted.length; i++) {
      squares += (Number(got[i]) - Number(wanted[i])) ** 2
      size += Number(wanted[i]) ** 2
    }
    return Math.sqrt(squares / (size === 0 ? 1 : size))
  }
  let worst = { state: -1, tensor: '' }
  for (const tensor of expected.keys()) {
    const state = tensor === 'loss' ? 0 : difference(tensor)
    // What is not a number is never taken for a small difference.
    if (!(state <= worst.state) && !Number.isNaN(worst.state)) worst = { state, tensor }
  }
  return { loss: difference('loss'), ...worst }
}

/**
 * How large the difference may be. Float32 comes within 10⁻⁵ of float64, but an input of relu, max-pool or top-k that is close to
 * turning may turn: one in the tensor with the smallest gradient makes about 10⁻² of it. CUDA multiplies by default in TF32, of 10
 * bits, where more of them turn: up to 0.054 in the tensor that differs most when that is simulated. A wrong gradient is 1 or more.
 */
export function tolerancesOf(device: Device): Pick<StepDifference, 'loss' | 'state'> {
  return { loss: 1e-3, state: device === 'cuda' ? 0.15 : 0.02 }
}

/** Why a difference is too large for a device, or undefined where it is not. */
export function faultOf(
  device: Device,
  { loss, state, tensor }: StepDifference,
  reference: string,
): string | undefined {
  const allowed = tolerancesOf(device)
  const differs = (what: string, by: number, most: number): string =>
    `one step of training gives wrong numbers: ${what} differs from ${reference} by ${Number.isNaN(by) ? 'what is not a number' : by.toExponential(1)}, where ${most} is allowed`
  if (!(loss <= allowed.loss)) return differs('the loss', loss, allowed.loss)
  if (!(state <= allowed.state)) return differs(`the new value of ${tensor}`, state, allowed.state)
  return undefined
}
