import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { add, clamp, div, type Graph, mul, sqrt, sub, sum, type Tensor } from '../graph/index.ts'
import type { OptimizerConfig } from '../run/config.ts'

/** Optimizer tensors of the state start with this; the rest of the state is the model. */
export const optimizerPrefix = 'optimizer.'

/** One parameter with its gradient. */
export interface Trained {
  readonly name: string
  readonly shape: readonly number[]
  readonly value: Tensor
  readonly gradient: Tensor
}

/** What an optimizer adds to the graph and to the state. */
export interface OptimizerStep {
  /** New values by the name of the state tensor: parameters and the optimizer's own. */
  readonly updates: ReadonlyMap<string, Tensor>
  /** First values of the optimizer's own tensors. */
  readonly initial: ReadonlyMap<string, HostTensor>
}

/** Collects the optimizer's own tensors: each is an input of the graph and gets a new value. */
class Memory {
  readonly updates = new Map<string, Tensor>()
  readonly initial = new Map<string, HostTensor>()
  constructor(readonly graph: Graph) {}

  /** The tensor's value before the step; `next` says what it becomes. Starts at zero. */
  evolve(name: string, shape: readonly number[], next: (before: Tensor) => Tensor): Tensor {
    const full = optimizerPrefix + name
    this.initial.set(full, floats(shape, new Float32Array(sizeOf(shape))))
    const after = next(this.graph.input(full, 'float32', shape))
    this.updates.set(full, after)
    return after
  }
}

/**
 * The optimizer's step as part of the graph, as torch computes it.
 *
 * @param rate - the learning rate of the step, a scalar
 */
export function optimize(
  parameters: readonly Trained[],
  config: OptimizerConfig,
  rate: Tensor,
): OptimizerStep {
  const memory = new Memory(rate.graph)
  const step = config.name === 'sgd' ? sgd(config, rate, memory) : adam(config, rate, memory)
  for (const parameter of parameters) memory.updates.set(parameter.name, step(parameter))
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
): (parameter: Trained) => Tensor {
  const [beta1, beta2] = config.betas
  const average = (beta: number, fresh: Tensor | number) => (before: Tensor) =>
    add(mul(before, beta), typeof fresh === 'number' ? fresh * (1 - beta) : mul(fresh, 1 - beta))
  const correction1 = memory.evolve('correction1', [], average(beta1, 1))
  const correction2 = sqrt(memory.evolve('correction2', [], average(beta2, 1)))
  const scaledRate = div(rate, correction1)
  const decay = config.weightDecay
  return ({ name, shape, value, gradient }) => {
    const g = config.name === 'adam' && decay > 0 ? add(gradient, mul(value, decay)) : gradient
    const m = memory.evolve(`m.${name}`, shape, average(beta1, g))
    const v = memory.evolve(`v.${name}`, shape, average(beta2, mul(g, g)))
    const denominator = add(div(sqrt(v), correction2), config.epsilon)
    const shrunk = config.name === 'adamw' && decay > 0 ? mul(value, sub(1, mul(rate, decay))) : value
    return sub(shrunk, mul(div(m, denominator), scaledRate))
  }
}

/** SGD with momentum: u ← μu + g; θ ← θ − η·u, or, looking ahead (Nesterov), θ ← θ − η·(g + μu). */
function sgd(
  config: Extract<OptimizerConfig, { name: 'sgd' }>,
  rate: Tensor,
  memory: Memory,
): (parameter: Trained) => Tensor {
  const { momentum, nesterov, weightDecay } = config
  return ({ name, shape, value, gradient }) => {
    const g = weightDecay > 0 ? add(gradient, mul(value, weightDecay)) : gradient
    if (momentum === 0) return sub(value, mul(g, rate))
    const u = memory.evolve(`velocity.${name}`, shape, before => add(mul(before, momentum), g))
    return sub(value, mul(nesterov ? add(g, mul(u, momentum)) : u, rate))
  }
}

/** √Σ g² over all gradients. */
export function gradientNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(gradients.map(g => sum(mul(g, g))).reduce((total, part) => add(total, part)))
}

/** Gradients shrunk together so that their norm is at most `limit` (torch's clip_grad_norm_). */
export function clipGradients(gradients: readonly Tensor[], norm: Tensor, limit: number): Tensor[] {
  const factor = clamp(div(limit, add(norm, 1e-6)), 0, 1)
  return gradients.map(gradient => mul(gradient, factor))
}
