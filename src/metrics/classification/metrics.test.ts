import { describe, expect, it } from 'vitest'
import type { Predictions } from '../metric.ts'
import { betterOf, metrics } from '../registry.ts'

// scikit-learn on y_true = [0, 0, 0, 0, 1, 2], y_pred = [0, 0, 0, 1, 1, 0]: f1_score(average='macro') = 0.47222222,
// balanced_accuracy_score = 0.58333333. Class 3 is neither shown nor named.
const predictions: Predictions = {
  labels: Int32Array.of(0, 0, 0, 0, 1, 2),
  classes: ['a', 'b', 'c', 'd'],
  probabilities: Float32Array.from(
    [
      [0.9, 0.1, 0, 0],
      [0.9, 0.1, 0, 0],
      [0.5, 0.5, 0, 0],
      [0.2, 0.8, 0, 0],
      [0.3, 0.5, 0.2, 0],
      [0.5, 0.25, 0.25, 0],
    ].flat(),
  ),
}
const measured = (name: string, options = {}, given = predictions) =>
  (metrics.get(name).create(options) as (given: Predictions) => number)(given)

describe('metrics of classifiers', () => {
  it('are those of scikit-learn', () => {
    expect(measured('macro-f1')).toBeCloseTo((0.75 + 2 / 3 + 0) / 3, 6)
    expect(measured('balanced-accuracy')).toBeCloseTo((0.75 + 1 + 0) / 3, 6)
  })

  it('sort confidences into as many bins as wanted', () => {
    // One bin: accuracy 4/6, mean confidence 4.1/6.
    expect(measured('ece', { bins: 1 })).toBeCloseTo(0.1 / 6, 6)
    // (0, 1/2]: 0.5 three times, two of which are right; (1/2, 1]: 0.9, 0.9 and 0.8, two of which are right.
    expect(measured('ece', { bins: 2 })).toBeCloseTo(
      (3 * Math.abs(2 / 3 - 0.5) + 3 * Math.abs(2 / 3 - 2.6 / 3)) / 6,
      6,
    )
  })

  it('are no number without images', () => {
    const nothing = { ...predictions, labels: new Int32Array(), probabilities: new Float32Array() }
    for (const name of metrics.builtIn.map(({ name }) => name)) expect(measured(name, {}, nothing)).toBeNaN()
  })

  it('say whether more is better', () => {
    expect(['loss', 'raw.loss', 'ece', 'raw.ece'].map(betterOf)).toEqual(['min', 'min', 'min', 'min'])
    expect(['top1', 'macro-f1', 'balanced-accuracy', 'raw.macro-f1', 'AP'].map(betterOf)).toEqual(
      Array(5).fill('max'),
    )
  })
})
