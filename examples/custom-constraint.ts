/**
 * A constraint of your own: experts are to have shares that you choose, instead of equal ones. The running mean of
 * the shares is a counter, so it is part of the state: saved, resumed, and there to be read.
 */
import { floats } from 'moiety'
import { add, div, globalAveragePool, mul, relu, square, stopGradient, sub, sum } from 'moiety/graph'
import type { Classifier } from 'moiety/models'
import { type Constraint, gapFc, mixtureOfExperts } from 'moiety/moe'
import { conv, type Layer, linear } from 'moiety/nn'

/** L = weight · Σ_i (I_i / ΣI − q_i)², and the counter a ← 0.9·a + 0.1·I / ΣI [E]. `wanted` is q and sums to 1. */
export function shares(wanted: readonly number[], weight = 20): Constraint {
  return {
    name: 'shares',
    noise: true,
    init: experts => ({ a: floats([experts], wanted) }),
    loss: ({ importance }) => {
      const q = importance.graph.constant('float32', [wanted.length], wanted)
      return mul(sum(square(sub(div(importance, sum(importance)), q))), weight)
    },
    update: ({ a }, { importance }) => {
      const now = stopGradient(div(importance, sum(importance)))
      return { a: add(mul(a!, 0.9), mul(now, 0.1)) }
    },
  }
}

const expert: Layer = (scope, x) => relu(conv(scope, x, { outputs: 8, kernel: 3, bias: true }))

/** Three experts, two of which compute each image, and a linear classifier of four classes behind them. */
export function threeExperts(constraint: Constraint): Classifier {
  return (scope, images) => {
    const seen = scope.in('conv1', inner => conv(inner, images, { outputs: 8, kernel: 3, bias: true }))
    const { output, losses, stats } = scope.in('mixture', inner =>
      mixtureOfExperts(inner, relu(seen), {
        experts: [expert, expert, expert],
        gate: gapFc,
        k: 2,
        constraint,
      }),
    )
    const logits = scope.in('fc', inner => linear(inner, globalAveragePool(output), 4))
    return { logits, losses, stats }
  }
}
