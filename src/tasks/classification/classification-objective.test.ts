import { describe, expect, it } from 'vitest'
import { Graph, gradients, interpret, oneHot } from '../../graph/index.ts'
import { crossEntropy } from './classification-objective.ts'

describe('the cross entropy', () => {
  // Softmax 1/4 and 3/4; 1/2 and 1/2.
  const logits = [0, Math.log(3), 5, 5]
  const labels = [0, 1]

  function lossAndGradient(labelSmoothing: number): { loss: number; gradient: number[] } {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 2])
    const loss = crossEntropy(x, oneHot(graph.input('labels', 'int64', [2]), 2), {
      classes: 2,
      labelSmoothing,
    })
    const [value, slope] = interpret(
      [loss, ...gradients(loss, [x])],
      new Map([
        ['x', { shape: [2, 2], data: Float64Array.from(logits) }],
        ['labels', { shape: [2], data: Float64Array.from(labels) }],
      ]),
    )
    return { loss: value!.data[0]!, gradient: [...slope!.data] }
  }

  it('is the mean of -ln p of the labels', () => {
    const { loss, gradient } = lossAndGradient(0)
    expect(loss).toBeCloseTo((Math.log(4) + Math.log(2)) / 2, 12)
    for (const [i, slope] of [(0.25 - 1) / 2, 0.75 / 2, 0.5 / 2, (0.5 - 1) / 2].entries())
      expect(gradient[i]).toBeCloseTo(slope, 12)
  })

  it('takes a part of a label away and gives all classes the same of it', () => {
    const { loss, gradient } = lossAndGradient(0.2)
    // Of the label 0.8 + 0.2 / 2, of the other 0.2 / 2.
    const first = 0.9 * Math.log(4) - 0.1 * Math.log(0.75)
    expect(loss).toBeCloseTo((first + Math.log(2)) / 2, 12)
    for (const [i, slope] of [(0.25 - 0.9) / 2, (0.75 - 0.1) / 2, (0.5 - 0.1) / 2, (0.5 - 0.9) / 2].entries())
      expect(gradient[i]).toBeCloseTo(slope, 12)
  })
})
