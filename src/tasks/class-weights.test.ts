import { describe, expect, it } from 'vitest'
import { Graph, interpret, oneHot } from '../graph/index.ts'
import { countsOf, positiveWeights, resolveClassWeights } from './class-weights.ts'
import { crossEntropy } from './classification/classification-objective.ts'

const classes = ['cat', 'dog', 'eel']

describe('class weights', () => {
  it("are scikit-learn's where they are balanced: n / (classes · n_c)", () => {
    const counts = countsOf([0, 0, 0, 0, 0, 0, 1, 1, 1, 2], 3)
    expect(counts).toEqual([6, 3, 1])
    const weights = resolveClassWeights('balanced', classes, counts)
    for (const [i, weight] of [10 / 18, 10 / 9, 10 / 3].entries()) expect(weights[i]).toBeCloseTo(weight, 12)
  })

  it('have the mean 1 over training images, in a list or by name', () => {
    expect(resolveClassWeights([1, 2, 4], classes, [4, 2, 2])).toEqual([0.5, 1, 2])
    expect(resolveClassWeights({ eel: 4, dog: 2 }, classes, [4, 2, 2])).toEqual([0.5, 1, 2])
    // A class without images has nothing to weigh.
    expect(resolveClassWeights('balanced', classes, [5, 5, 0])).toEqual([1, 1, 0])
  })

  it('are refused where there is no such class, or not one for each', () => {
    expect(() => resolveClassWeights({ dgo: 2 }, classes, [1, 1, 1])).toThrow('there is no class "dgo"')
    expect(() => resolveClassWeights([1, 2], classes, [1, 1, 1])).toThrow('each of 3 classes, came 2')
    expect(() => resolveClassWeights([0, 0, 1], classes, [1, 1, 0])).toThrow('a weight above 0')
  })
})

describe('weights of classes, several of which an image shows', () => {
  it('balance the images with a class and those without, and are torch’s pos_weight otherwise', () => {
    expect(positiveWeights('balanced', classes, [2, 5, 8], 10)).toEqual([4, 1, 0.25])
    expect(positiveWeights('balanced', classes, [0, 10, 5], 10)).toEqual([1, 1, 1])
    expect(positiveWeights([1, 2, 4], classes, [4, 2, 2], 8)).toEqual([1, 2, 4])
    expect(positiveWeights({ eel: 4 }, classes, [4, 2, 2], 8)).toEqual([1, 1, 4])
    expect(() => positiveWeights({ dgo: 2 }, classes, [1, 1, 1], 3)).toThrow('there is no class "dgo"')
  })
})

describe('the weighted cross entropy', () => {
  const [logits, labels, weights] = [
    [0.3, -1, 2, 1, 0.5, -0.2],
    [2, 0],
    [0.5, 1, 3],
  ]

  function lossOf(labelSmoothing: number): number {
    const graph = new Graph()
    const x = graph.input('x', 'float32', [2, 3])
    const target = oneHot(graph.input('labels', 'int64', [2]), 3)
    const loss = crossEntropy(x, target, { classes: 3, labelSmoothing, classWeights: weights })
    const feeds = new Map([
      ['x', { shape: [2, 3], data: Float64Array.from(logits) }],
      ['labels', { shape: [2], data: Float64Array.from(labels) }],
    ])
    return interpret([loss], feeds)[0]!.data[0]!
  }

  // torch 2: F.cross_entropy(x, y, weight=w, label_smoothing=s, reduction='sum') / 2
  it.each([
    [0, 0.475009],
    [0.1, 0.624128],
  ])("with smoothing %d has torch's sum", (smoothing, expected) => {
    expect(lossOf(smoothing)).toBeCloseTo(expected, 5)
  })
})
