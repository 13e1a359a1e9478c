import { describe, expect, it } from 'vitest'
import { classScores, confusionMatrix, macroScores, mostConfused } from './confusion.ts'

// Class 3 is never named, class 4 neither shown nor named.
const labels = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
const predictions = [0, 0, 1, 2, 1, 1, 0, 2, 0, 0, 1, 1]
const matrix = confusionMatrix(predictions, labels, 5)

describe('the confusion matrix', () => {
  it("is scikit-learn's: true classes down, predicted ones across", () => {
    expect(matrix).toEqual([
      [2, 1, 1, 0, 0],
      [1, 2, 0, 0, 0],
      [1, 0, 1, 0, 0],
      [1, 2, 0, 0, 0],
      [0, 0, 0, 0, 0],
    ])
  })

  it('gives the precision, recall and F1 of scikit-learn with zero_division=nan, where null stands for NaN', () => {
    const scores = classScores(matrix)
    expect(scores.map(one => one.precision)).toEqual([0.4, 0.4, 0.5, null, null])
    expect(scores.map(one => one.recall)).toEqual([0.5, 2 / 3, 0.5, 0, null])
    expect(scores.map(one => one.f1)).toEqual([4 / 9, 0.5, 0.5, 0, null])
    expect(scores.map(one => one.images)).toEqual([4, 3, 2, 3, 0])
    expect(scores.map(one => one.predicted)).toEqual([5, 5, 2, 0, 0])
  })

  it("gives scikit-learn's macro F1 and balanced accuracy", () => {
    const { macroF1, balancedAccuracy } = macroScores(classScores(matrix))
    expect(macroF1).toBeCloseTo(0.3611111111111111, 15)
    expect(balancedAccuracy).toBeCloseTo(0.41666666666666663, 15)
    expect(macroScores([])).toEqual({ macroF1: null, balancedAccuracy: null })
  })

  it('lists the most frequent confusions, of equally many those of the largest part of a class', () => {
    expect(mostConfused(matrix, 3)).toEqual([
      { label: 3, prediction: 1, images: 2, share: 2 / 3 },
      { label: 2, prediction: 0, images: 1, share: 0.5 },
      { label: 1, prediction: 0, images: 1, share: 1 / 3 },
    ])
    expect(mostConfused([[3]], 3)).toEqual([])
  })
})
