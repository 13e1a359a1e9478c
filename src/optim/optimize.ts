import { z } from 'zod'
import { refuseOption } from '../base/component.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { add, clamp, div, type Graph, mul, sqrt, sumOfSquares, type Tensor } from '../graph/index.ts'
import type { OptimizerDefinition, OptimizerMemory, Parameter, Trained } from './optimizer.ts'
import { type OptimizerConfig, optimizers } from './optimizers/registry.ts'
import { joined, separated } from './trained.ts'

/** Optimizer tensors of the state start with this; the rest of the state is the model. */
export const optimizerPrefix = 'optimizer.'

/** What an optimizer adds to the graph and to the state. */
export interface OptimizerStep {
  /** New values by the name of the state tensor: parameters and the optimizer's own. */
  readonly updates: ReadonlyMap<string, Tensor>
  /** The optimizer's own tensors. All of them begin at zero. */
  readonly own: readonly Parameter[]
}

/** First values of an optimizer's own tensors. */
export function zerosFor(own: readonly Parameter[]): Map<string, HostTensor> {
  return new Map(own.map(({ name, shape }) => [name, floats(shape, new Float32Array(sizeOf(shape)))]))
}

/** Collects the optimizer's own tensors: each is an input of the graph and gets a new value. */
class Memory implements OptimizerMemory, OptimizerStep {
  readonly updates = new Map<string, Tensor>()
  readonly own: Parameter[] = []
  constructor(readonly graph: Graph) {}

  /** A tensor's value before the step; `next` says what it becomes. Starts at zero. */
  evolve(name: string, next: (before: Tensor) => Tensor): Tensor {
    return this.#evolve([{ name, shape: [] }], next)
  }

  /** The same for the tensor `KIND.NAME` of each parameter. */
  evolveFor(parameters: readonly Parameter[], kind: string, next: (before: Tensor) => Tensor): Tensor {
    return this.#evolve(
      parameters.map(({ name, shape }) => ({ name: `${kind}.${name}`, shape })),
      next,
    )
  }

  #evolve(tensors: readonly Parameter[], next: (before: Tensor) => Tensor): Tensor {
    const own = tensors.map(({ name, shape }) => ({ name: optimizerPrefix + name, shape }))
    this.own.push(...own)
    const after = next(joined(own.map(({ name, shape }) => this.graph.input(name, 'float32', shape))))
    this.assign(own, after)
    return after
  }

  /** Says what tensors of the state become. */
  assign(tensors: readonly Parameter[], after: Tensor): void {
    for (const [i, part] of separated(after, tensors).entries()) this.updates.set(tensors[i]!.name, part)
  }
}

/**
 * The optimizer's step as part of the graph, as torch computes it.
 *
 * @param rate - the learning rate of the step, a scalar
 * @throws MoietyError (usage) for an optimizer that is not known, or numbers that its formula cannot have
 */
export function optimize(trained: readonly Trained[], config: OptimizerConfig, rate: Tensor): OptimizerStep {
  const definition: OptimizerDefinition = optimizers.get(config.name)
  const memory = new Memory(rate.graph)
  const step = definition.update(optionsOf(definition, config), rate, memory)
  for (const one of trained) memory.assign(one.parameters, step(one))
  return memory
}

/** An optimizer's own options of a complete configuration. A number that is missing or NaN would make NaN of every parameter. */
function optionsOf({ options }: OptimizerDefinition, config: object): object {
  const given = new Map<string, unknown>(Object.entries(config))
  return Object.fromEntries(
    Object.entries(options).map(([key, schema]) => {
      const complete = schema instanceof z.ZodDefault ? schema.unwrap() : schema
      const parsed = z.safeParse(complete, given.get(key))
      if (!parsed.success) refuseOption(complete, given.get(key), `optimizer.${key}`)
      return [key, parsed.data]
    }),
  )
}

/**
 * √Σ g² over all gradients, from the last one on. Where they stand in the order of the network it is there first, and the engine,
 * which computes what is asked for in this order, need not keep what it is made from until the first one is there.
 */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map(sumOfSquares).reduceRight((total, part) => add(total, part)))
}

/** Gradients shrunk together so that their norm is at most `limit` (torch's clip_grad_norm_). */
export function clipGradients(gradients: readonly Tensor[], norm: Tensor, limit: number): Tensor[] {
  const factor = clamp(div(limit, add(norm, 1e-6)), 0, 1)
  return gradients.map(gradient => mul(gradient, factor))
}
