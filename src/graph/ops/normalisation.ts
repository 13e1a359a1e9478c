import { dimProduct } from '../dims.ts'
import { apply, applyAll, shapeError, type Tensor } from '../graph.ts'
import { zeros } from '../ndarray.ts'
import { sum } from './broadcast.ts'
import { add, div, greater, maximum, mul, neg, reciprocal, sqrt, sub, where } from './elementwise.ts'
import { reshape, sizeOfAxes } from './shape.ts'

/**
 * Batch normalisation of x [N, C, H, W] with the statistics of the batch itself (Ioffe & Szegedy 2015):
 *
 *     x̂ = (x − μ) · r,  r = 1/√(σ² + ε),  y = γ·x̂ + β,   μ and σ² per channel over the m = N·H·W values.
 *
 * μ and σ² depend on x as well. Carrying that through,
 *
 *     dβ = Σ dy,  dγ = Σ dy·x̂ = r·(Σ dy·x − μ·Σ dy),
 *     dx = γ·r·(dy − dβ/m − x̂·dγ/m) = a·dy + b·x + c
 *
 * with three numbers a channel: a = γ·r, b = −a·r·dγ/m, c = −a·dβ/m − b·μ. So two sums over the batch and three
 * passes over dy and x suffice.
 *
 * An empty batch (an expert without images) has μ = 0, σ² = 1 and zero gradients.
 */
export interface BatchStatistics {
  readonly output: Tensor
  /** Mean of each channel, [C]. */
  readonly mean: Tensor
  /** Population variance (divisor m) of each channel, [C]. */
  readonly variance: Tensor
}

/**
 * Normalises with the batch's own statistics, and returns them for the running averages.
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] and both vectors are [C]
 */
export function batchNormTraining(x: Tensor, scale: Tensor, shift: Tensor, epsilon: number): BatchStatistics {
  checkChannels('batchNormTraining', x, [scale, shift])
  const channels = { dtype: 'float32', shape: [x.shape[1]!] } as const
  const [output, mean, variance] = applyAll({
    name: 'batchNorm',
    inputs: [x, scale, shift],
    outputs: [x, channels, channels],
    attributes: { epsilon },
    gradient: ([dy], [, mu, sigma2]) => {
      if (dy === undefined) return []
      const count = maximum(sizeOfAxes(x, [0, 2, 3]), 1)
      const r = reciprocal(sqrt(add(sigma2!, epsilon)))
      const dShift = sum(dy, [0, 2, 3])
      const dScale = mul(r, sub(sum(mul(dy, x), [0, 2, 3]), mul(mu!, dShift)))
      const a = mul(scale, r)
      const b = neg(div(mul(mul(a, r), dScale), count))
      const c = neg(add(div(mul(a, dShift), count), mul(b, mu!)))
      return [add(mul(dy, perChannel(a)), channelAffine(x, b, c)), dScale, dShift]
    },
    lower: (emit, [name, gamma, beta]) => {
      // The engine writes the "running" outputs over the running inputs, so each needs a tensor that nothing else
      // reads, whatever its values: with momentum 0 the outputs are the statistics of this batch. Multiplying by a
      // number of its own keeps the engine from merging it with another one.
      const scratch = (): string => emit.node('Mul', [gamma!, emit.float(emit.serial())])
      const [y, batchMean, batchVariance] = emit.nodes(
        'BatchNormalization',
        [name!, gamma!, beta!, scratch(), scratch()],
        { epsilon: { float: epsilon }, momentum: { float: 0 }, training_mode: 1 },
        3,
      )
      if (typeof dimProduct(x.shape) === 'number') return [y!, batchMean!, batchVariance!]
      const size = emit.node('Size', [name!])
      const filled = emit.node('Greater', [size, emit.constant('int64', [], [0])])
      return [
        y!,
        emit.node('Where', [filled, batchMean!, emit.float(0)]),
        emit.node('Where', [filled, batchVariance!, emit.float(1)]),
      ]
    },
    evaluate: ([value, gamma, beta]) => {
      const [N, C, H, W] = [value!.shape[0]!, value!.shape[1]!, value!.shape[2]!, value!.shape[3]!]
      const y = zeros(value!.shape)
      const [mu, sigma2] = [zeros([C]), zeros([C])]
      const area = H * W
      const visit = (c: number, f: (at: number) => void): void => {
        for (let n = 0; n < N; n++) for (let i = 0; i < area; i++) f((n * C + c) * area + i)
      }
      for (let c = 0; c < C; c++) {
        const count = N * area
        let total = 0
        visit(c, at => {
          total += value!.data[at]!
        })
        mu.data[c] = count === 0 ? 0 : total / count
        let squares = 0
        visit(c, at => {
          squares += (value!.data[at]! - mu.data[c]!) ** 2
        })
        sigma2.data[c] = count === 0 ? 1 : squares / count
        visit(c, at => {
          const normal = (value!.data[at]! - mu.data[c]!) / Math.sqrt(sigma2.data[c]! + epsilon)
          y.data[at] = gamma!.data[c]! * normal + beta!.data[c]!
        })
      }
      return [y, mu, sigma2]
    },
  })
  return { output: output!, mean: mean!, variance: variance! }
}

/**
 * Normalises with given statistics: y = γ·(x − μ)/√(σ² + ε) + β. All vectors are [C].
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] and all vectors are [C]
 */
export function batchNormInference(
  x: Tensor,
  scale: Tensor,
  shift: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): Tensor {
  checkChannels('batchNormInference', x, [scale, shift, mean, variance])
  const factor = mul(scale, reciprocal(sqrt(add(variance, epsilon))))
  return channelAffine(x, factor, sub(shift, mul(mean, factor)))
}

/**
 * x·scale + shift with one number of each a channel, in one pass over x [N, C, H, W].
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] and both vectors are [C]
 */
export function channelAffine(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  checkChannels('channelAffine', x, [scale, shift])
  return apply({
    name: 'channelAffine',
    inputs: [x, scale, shift],
    outputs: [x],
    gradient: ([dy]) => [mul(dy!, perChannel(scale)), sum(mul(dy!, x), [0, 2, 3]), sum(dy!, [0, 2, 3])],
    lower: (emit, [name, factor, offset]) => {
      const C = Number(x.shape[1])
      const filled = (value: number): string =>
        emit.constant('float32', [C], new Array<number>(C).fill(value))
      const y = emit.node('BatchNormalization', [name!, factor!, offset!, filled(0), filled(1)], {
        epsilon: { float: 0 },
      })
      emit.annotate(y, { kind: 'channelAffine' })
      return [y]
    },
    evaluate: ([value, factor, offset]) => {
      const area = value!.shape[2]! * value!.shape[3]!
      const C = value!.shape[1]!
      const data = value!.data.map((v, at) => {
        const c = Math.floor(at / area) % C
        return v * factor!.data[c]! + offset!.data[c]!
      })
      return [{ shape: value!.shape, data }]
    },
  })
}

/** [C] → [C, 1, 1], to broadcast against [N, C, H, W]. */
export function perChannel(x: Tensor): Tensor {
  return reshape(x, [x.shape[0]!, 1, 1])
}

/**
 * Running average of a statistic as in torch: (1 − momentum)·running + momentum·batch, the variance with
 * divisor m − 1. Unchanged when the batch is empty; with a single value the population variance is used.
 *
 * @param x - the normalised tensor, for its count m
 */
export function updatedStatistics(
  x: Tensor,
  running: { readonly mean: Tensor; readonly variance: Tensor },
  batch: { readonly mean: Tensor; readonly variance: Tensor },
  momentum: number,
): { readonly mean: Tensor; readonly variance: Tensor } {
  const count = sizeOfAxes(x, [0, 2, 3])
  const unbiased = mul(batch.variance, div(count, maximum(sub(count, 1), 1)))
  const blend = (old: Tensor, fresh: Tensor): Tensor => {
    const next = add(mul(old, 1 - momentum), mul(fresh, momentum))
    return typeof dimProduct(x.shape) === 'number' ? next : where(greater(count, 0), next, old)
  }
  return { mean: blend(running.mean, batch.mean), variance: blend(running.variance, unbiased) }
}

function checkChannels(op: string, x: Tensor, vectors: readonly Tensor[]): void {
  const fits = x.rank === 4 && vectors.every(v => v.rank === 1 && v.shape[0] === x.shape[1])
  if (!fits) shapeError(op, 'x [N, C, H, W] and one value a channel [C]', [x, ...vectors])
}
