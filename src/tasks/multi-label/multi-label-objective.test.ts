import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Graph, gradients, interpret, mean } from '../../graph/index.ts'
import { binaryCrossEntropy } from './multi-label-objective.ts'

/** The mean loss of [N, 2] logits and its gradient. */
function lossAndGradient(
  logits: readonly number[],
  targets: readonly number[],
  labelSmoothing = 0,
  positiveWeights?: readonly number[],
) {
  const graph = new Graph()
  const shape = [logits.length / 2, 2]
  const x = graph.input('x', 'float32', shape)
  const loss = mean(
    binaryCrossEntropy(x, graph.input('targets', 'float32', shape), { labelSmoothing, positiveWeights }),
  )
  const [value, slope] = interpret(
    [loss, ...gradients(loss, [x])],
    new Map([
      ['x', { shape, data: Float64Array.from(logits) }],
      ['targets', { shape, data: Float64Array.from(targets) }],
    ]),
  )
  return { loss: value!.data[0]!, gradient: [...slope!.data] }
}

describe('the binary cross-entropy', () => {
  // Probabilities 3/4 and 1/2 of one image, 1/4 and 1/2 of another.
  const logits = [Math.log(3), 0, -Math.log(3), 0]
  const targets = [1, 0, 1, 1]

  it('is the mean of −ln p of what is true, over classes and images', () => {
    const { loss, gradient } = lossAndGradient(logits, targets)
    const expected = -(Math.log(0.75) + Math.log(0.5) + Math.log(0.25) + Math.log(0.5)) / 4
    expect(loss).toBeCloseTo(expected, 12)
    for (const [i, slope] of [0.75 - 1, 0.5, 0.25 - 1, 0.5 - 1].entries())
      expect(gradient[i]).toBeCloseTo(slope / 4, 12)
  })

  it('multiplies what images with a class say by its weight, as torch’s pos_weight', () => {
    // torch.nn.functional.binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor([3., 0.5]))
    const { loss, gradient } = lossAndGradient(logits, targets, 0, [3, 0.5])
    const expected = -(3 * Math.log(0.75) + Math.log(0.5) + 3 * Math.log(0.25) + 0.5 * Math.log(0.5)) / 4
    expect(loss).toBeCloseTo(expected, 12)
    for (const [i, slope] of [3 * (0.75 - 1), 0.5, 3 * (0.25 - 1), 0.5 * (0.5 - 1)].entries())
      expect(gradient[i]).toBeCloseTo(slope / 4, 12)
  })

  it('of mixed targets is that of both, by their shares', () => {
    const mixed = lossAndGradient(logits, [0.7, 0.3, 0.3, 1]).loss
    const of = (own: readonly number[]) => lossAndGradient(logits, own).loss
    expect(mixed).toBeCloseTo(0.7 * of([1, 0, 0, 1]) + 0.3 * of([0, 1, 1, 1]), 12)
  })

  it('with smoothing 0.2 has 0.9 and 0.1 for 1 and 0', () => {
    const { loss, gradient } = lossAndGradient([Math.log(3), 0], [1, 0], 0.2)
    const first = 0.9 * Math.log(0.75) + 0.1 * Math.log(0.25)
    expect(loss).toBeCloseTo(-(first + Math.log(0.5)) / 2, 12)
    expect(gradient[0]).toBeCloseTo((0.75 - 0.9) / 2, 12)
    expect(gradient[1]).toBeCloseTo((0.5 - 0.1) / 2, 12)
  })

  it('is finite for any logit, where logarithms of a sigmoid are not', () => {
    expect(lossAndGradient([800, -800], [0, 1])).toEqual({ loss: 800, gradient: [0.5, -0.5] })
    expect(lossAndGradient([800, -800], [1, 0]).loss).toBe(0)
  })

  it('is what its definition says', () => {
    const logit = fc.double({ min: -20, max: 20, noNaN: true })
    fc.assert(
      fc.property(
        logit,
        logit,
        fc.constantFrom(0, 1),
        fc.constantFrom(0, 0.1, 0.5),
        (a, b, target, smoothing) => {
          const slow = [a, b].map((x, i) => {
            const q = (i === 0 ? target : 1 - target) * (1 - smoothing) + smoothing / 2
            return -q * Math.log(1 / (1 + Math.exp(-x))) - (1 - q) * Math.log(1 / (1 + Math.exp(x)))
          })
          const { loss } = lossAndGradient([a, b], [target, 1 - target], smoothing)
          expect(loss).toBeCloseTo((slow[0]! + slow[1]!) / 2, 9)
        },
      ),
    )
  })
})
