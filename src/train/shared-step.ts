import type { HostTensor } from '../base/tensor.ts'
import { add, Graph, lower, maximum, mul, type Program, sub, type Tensor } from '../graph/index.ts'
import { withAverages, zerosFor } from '../optim/index.ts'
import { partSizes } from '../runtime/engines.ts'
import {
  averageOf,
  type Diagnosis,
  type Differentiated,
  diagnose,
  differentiate,
  guardsOf,
  limitGuard,
  type Metric,
  type NoiseInput,
  nextValue,
  optimizerStep,
  type StepFacts,
  statisticsGuard,
  type WriteStepOptions,
} from './step.ts'

/**
 * A training step whose batch is divided: each part has a forward and a backward pass of its own, from the same state, and
 * one more program makes a step of what they found.
 *
 * It is the step of the whole batch but for what a network asks of a batch as a whole. BatchNorm normalises a part by the
 * part's own statistics, soft constraints see the part's importance, and each part has noise of its own: as in PyTorch's
 * DistributedDataParallel. Losses, gradients and new statistics become means over the parts, weighted by their images: for the
 * running totals of `relative` and `mean` these are the totals of the whole batch, to rounding. The averages of an expert's
 * BatchNorm are weighted so too, whatever the expert got of each part: one that got nothing of a part keeps its averages there.
 */
export interface SharedStep extends StepFacts {
  /** How many images each part has; R of them, or R times as many as are accumulated. */
  readonly sizes: readonly number[]
  /** The passes of a part with so many images; its state is the model without the optimizer. */
  readonly passes: ReadonlyMap<number, PartPasses>
  /**
   * Fed outputs of the parts' programs, those that are its inputs by {@link ofPart}, `learningRate` and the decay of an average; gives the new state and
   * the metrics of a `TrainingStep`.
   */
  readonly finish: Program
  readonly updates: ReadonlyMap<string, string>
  readonly guards: readonly string[]
  /** Names of the state that the parts read. */
  readonly model: readonly string[]
}

/** Forward and backward pass of a part. */
export interface PartPasses {
  readonly program: Program
  readonly noise: readonly NoiseInput[]
  diagnosis(): Diagnosis
}

/** The input of the last program that takes an output of part `part`, from 0. */
export function ofPart(part: number, output: string): string {
  return `${output} of part ${part}`
}

/**
 * Writes a step that is shared by `engines`, each of which computes `accumulate` parts one after the other. Part p is computed by
 * engine p mod `engines`, which adds up its parts' gradients: that many gradients only are given to the last program.
 */
export function writeSharedStep(options: WriteStepOptions, engines: number, accumulate = 1): SharedStep {
  const { form, optimizer, clipNorm, ema } = options
  const sizes = partSizes(form.images, engines * accumulate)
  const passes = new Map(
    [...new Set(sizes)].map(images => [
      images,
      differentiate({ ...options, form: { ...form, images } }, images / form.images),
    ]),
  )
  const any = passes.get(sizes[0]!)!

  const graph = new Graph()
  const shares = sizes.map(size => size / form.images)
  const combined = (
    name: string,
    { shape }: Tensor,
    together: Metric['together'],
    given = sizes.length,
  ): Tensor => {
    const of = (part: number): Tensor => graph.input(ofPart(part, name), 'float32', shape)
    if (together === 'same') return of(0)
    const others = sizes.slice(1, given).map((_, i) => of(i + 1))
    if (together === 'sum') return others.reduce((total, other) => add(total, other), of(0))
    if (together === 'most') return others.reduce((most, other) => maximum(most, other), of(0))
    // From the first one on, so that the mean of equal values is that value, to the bit.
    return others.reduce((mean, other, i) => add(mean, mul(sub(other, of(0)), shares[i + 1]!)), of(0))
  }
  const derivatives = any.gradients.map(({ name, shape, gradient }) => ({
    name,
    shape,
    // Each part has weighted its own already, which costs nothing there.
    gradient: combined(gradientOf(name), gradient, 'sum', engines),
  }))
  const { norm, weightNorm, optimized } = optimizerStep(graph, derivatives, optimizer, clipNorm)
  const assigned = new Map(
    [...any.assigned].map(([name, value]) => [name, combined(nextValue(name), value, 'mean')] as const),
  )
  const changed = new Map<string, Tensor>([...optimized.updates, ...assigned])
  const { average, next } = averageOf(graph, derivatives, changed, ema)
  for (const [name, value] of next) changed.set(name, value)
  const metrics = new Map(
    [...any.metrics].map(([name, { value, together }]) => [name, combined(name, value, together)] as const),
  )
  const outputs = new Map([
    ...metrics,
    ['gradientNorm', norm] as const,
    ['weightNorm', weightNorm] as const,
    ...statisticsGuard([...assigned.values()]),
    ...limitGuard(
      graph,
      [...any.facts.limits.keys()].map(name => metrics.get(name)!),
    ),
    ...[...changed].map(([name, value]) => [nextValue(name), value] as const),
  ])
  return {
    ...any.facts,
    average,
    initialState: seed =>
      withAverages(
        new Map<string, HostTensor>([...any.facts.initialState(seed), ...zerosFor(optimized.own)]),
        average?.names ?? [],
      ),
    sizes,
    passes: new Map([...passes].map(([images, pass]) => [images, partPasses(pass)])),
    finish: lower(outputs),
    updates: new Map([...changed.keys()].map(name => [nextValue(name), name])),
    guards: guardsOf(any.facts, assigned),
    model: any.model,
  }
}

const gradientPrefix = 'gradient of '

function gradientOf(name: string): string {
  return gradientPrefix + name
}

/** Adds a part's gradients to those of the part that the same engine computed first, in place. */
export function addGradients(
  sums: ReadonlyMap<string, HostTensor>,
  outputs: ReadonlyMap<string, HostTensor>,
): void {
  for (const [name, { data }] of sums) {
    if (!name.startsWith(gradientPrefix) || !(data instanceof Float32Array)) continue
    const other = outputs.get(name)!.data as Float32Array
    for (let i = 0; i < data.length; i++) data[i]! += other[i]!
  }
}

function partPasses({ loss, gradients, metrics, assigned, noise }: Differentiated): PartPasses {
  const outputs = new Map([
    ...[...metrics].map(([name, { value }]) => [name, value] as const),
    ...gradients.map(({ name, gradient }) => [gradientOf(name), gradient] as const),
    ...[...assigned].map(([name, value]) => [nextValue(name), value] as const),
  ])
  return {
    program: lower(outputs),
    noise,
    diagnosis: () => diagnose([loss, ...gradients.map(({ gradient }) => gradient), ...assigned.values()]),
  }
}
