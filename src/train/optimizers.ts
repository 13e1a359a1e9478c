import { fail } from '../base/errors.ts'
import { checkNumber } from '../base/numbers.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import type { OptimizerConfig } from '../config/config.ts'
import {
  add,
  clamp,
  concat,
  div,
  type Graph,
  mul,
  split,
  sqrt,
  sub,
  sumOfSquares,
  type Tensor,
} from '../graph/index.ts'

/** Optimizer tensors of the state start with this; the rest of the state is the model. */
export const optimizerPrefix = 'optimizer.'

/** Name and shape of a tensor of the state. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
}

/** How parameters are trained, beside what the optimizer says. */
export interface Manner {
  /** What the learning rate is multiplied by. */
  readonly rate: number
  /** Null: as the optimizer has it. */
  readonly weightDecay: number | null
}

/** What one formula updates: a parameter, or several vectors one after another. */
export interface Trained {
  /** As the optimizer has it when not given. */
  readonly manner?: Manner
  readonly parameters: readonly Parameter[]
  readonly value: Tensor
  readonly gradient: Tensor
}

/**
 * Parameters with their gradients, all vectors that are trained alike as one. An optimizer does the same to every number, so the result is that of
 * each vector by itself; but two of three parameters are vectors (BatchNorm's scales and shifts, biases), and a dozen operations
 * for each were a third of a step's graph.
 *
 * @param groups - as `optimizer.groups` of a configuration
 * @throws MoietyError (usage) for a group that has no parameter
 */
export function trainedTogether(
  graph: Graph,
  derivatives: readonly (Parameter & { readonly gradient: Tensor })[],
  groups: OptimizerConfig['groups'] = null,
): Trained[] {
  let rest = derivatives
  const grouped = (groups ?? []).flatMap((group, i) => {
    const pattern = wildcard(group.parameters)
    const members = rest.filter(({ name }) => pattern.test(name))
    if (members.length === 0) refuseEmptyGroup(`optimizer.groups.${i}`, group.parameters, derivatives)
    rest = rest.filter(({ name }) => !pattern.test(name))
    return alike(graph, members, group)
  })
  return [...grouped, ...alike(graph, rest, asTheOptimizerHasIt)]
}

const asTheOptimizerHasIt: Manner = { rate: 1, weightDecay: null }

/** Matches whole names; `*` stands for any characters. */
function wildcard(text: string): RegExp {
  const parts = text.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}

function refuseEmptyGroup(where: string, parameters: string, known: readonly Parameter[]): never {
  const examples = [...new Set([0, 0.5, 0.99].map(part => known[Math.floor(part * known.length)]!.name))]
  return fail({
    kind: 'usage',
    message: `"${parameters}" names no parameter of this network that an earlier group has not`,
    where,
    help: `parameters are called ${examples.join(', ')}; * stands for any characters`,
  })
}

function alike(
  graph: Graph,
  derivatives: readonly (Parameter & { readonly gradient: Tensor })[],
  { rate, weightDecay }: Manner,
): Trained[] {
  const vectors = derivatives.filter(({ shape }) => shape.length === 1)
  const others = derivatives.filter(({ shape }) => shape.length !== 1)
  return [vectors, ...others.map(other => [other])]
    .filter(group => group.length > 0)
    .map(group => ({
      manner: { rate, weightDecay },
      parameters: group.map(({ name, shape }) => ({ name, shape })),
      value: joined(group.map(({ name, shape }) => graph.input(name, 'float32', shape))),
      gradient: joined(group.map(({ gradient }) => gradient)),
    }))
}

function joined(tensors: readonly Tensor[]): Tensor {
  return tensors.length === 1 ? tensors[0]! : concat(tensors, 0)
}

function separated(value: Tensor, parameters: readonly Parameter[]): readonly Tensor[] {
  return parameters.length === 1
    ? [value]
    : split(
        value,
        0,
        parameters.map(({ shape }) => shape[0]!),
      )
}

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
class Memory {
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
  checkOptimizer(config)
  const memory = new Memory(rate.graph)
  const step = config.name === 'sgd' ? sgd(config, rate, memory) : adam(config, rate, memory)
  for (const one of trained) memory.assign(one.parameters, step(one))
  return memory
}

/**
 * Adam (Kingma & Ba 2015): m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ − η·m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ),
 * v̂ = v / (1 − β₂ᵗ). The corrections follow the same recursion as the moments of a constant 1, c ← βc + (1 − β),
 * so they are state like everything else. Weight decay joins the gradient (`adam`) or shrinks the parameter by
 * η·λ apart from it (`adamw`; Loshchilov & Hutter 2019).
 */
function adam(
  config: Extract<OptimizerConfig, { name: 'adam' | 'adamw' }>,
  rate: Tensor,
  memory: Memory,
): (trained: Trained) => Tensor {
  const [beta1, beta2] = config.betas
  const average = (beta: number, fresh: Tensor | number) => (before: Tensor) =>
    add(mul(before, beta), typeof fresh === 'number' ? fresh * (1 - beta) : mul(fresh, 1 - beta))
  const correction1 = memory.evolve('correction1', average(beta1, 1))
  const correction2 = sqrt(memory.evolve('correction2', average(beta2, 1)))
  const scaledRate = div(mul(rate, correction2), correction1)
  return ({ parameters, value, gradient, manner = asTheOptimizerHasIt }) => {
    const decay = manner.weightDecay ?? config.weightDecay
    const own = times(rate, manner.rate)
    const g = config.name === 'adam' && decay > 0 ? add(gradient, mul(value, decay)) : gradient
    const m = memory.evolveFor(parameters, 'm', average(beta1, g))
    const v = memory.evolveFor(parameters, 'v', average(beta2, mul(g, g)))
    // (√v / √c₂ + ε)⁻¹ = √c₂ / (√v + ε·√c₂): so that no element is divided by √c₂.
    const denominator = add(sqrt(v), mul(correction2, config.epsilon))
    const shrunk = config.name === 'adamw' && decay > 0 ? mul(value, sub(1, mul(own, decay))) : value
    return sub(shrunk, mul(div(m, denominator), times(scaledRate, manner.rate)))
  }
}

/** SGD with momentum: u ← μu + g; θ ← θ − η·u, or, looking ahead (Nesterov), θ ← θ − η·(g + μu). */
function sgd(
  config: Extract<OptimizerConfig, { name: 'sgd' }>,
  rate: Tensor,
  memory: Memory,
): (trained: Trained) => Tensor {
  const { momentum, nesterov } = config
  return ({ parameters, value, gradient, manner = asTheOptimizerHasIt }) => {
    const weightDecay = manner.weightDecay ?? config.weightDecay
    const own = times(rate, manner.rate)
    const g = weightDecay > 0 ? add(gradient, mul(value, weightDecay)) : gradient
    if (momentum === 0) return sub(value, mul(g, own))
    const u = memory.evolveFor(parameters, 'velocity', before => add(mul(before, momentum), g))
    return sub(value, mul(nesterov ? add(g, mul(u, momentum)) : u, own))
  }
}

function checkOptimizer(config: OptimizerConfig): void {
  const { name } = config
  const number = (given: unknown, key: string, isRight: (value: number) => boolean, expected: string): void =>
    checkNumber(given, isRight, { where: `optimizer.${key}`, expected })
  const isShare = (value: number): boolean => value >= 0 && value < 1
  number(config.weightDecay, 'weightDecay', decay => decay >= 0, 'a weight decay of at least 0')
  switch (name) {
    case 'sgd':
      number(config.momentum, 'momentum', isShare, 'a momentum from 0 and below 1')
      break
    case 'adam':
    case 'adamw':
      for (const i of [0, 1])
        number(
          config.betas?.[i],
          `betas.${i}`,
          isShare,
          'a share from 0 and below 1 of the average that stays',
        )
      number(config.epsilon, 'epsilon', epsilon => epsilon >= 0, 'a number of at least 0')
      break
    default:
      refuseOptimizer(name)
  }
}

function refuseOptimizer(name: never): never {
  return fail({
    kind: 'usage',
    message: `there is no optimizer ${JSON.stringify(name)}`,
    where: 'optimizer.name',
    help: 'optimizers are adam, adamw and sgd',
  })
}

function times(rate: Tensor, factor: number): Tensor {
  return factor === 1 ? rate : mul(rate, factor)
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
