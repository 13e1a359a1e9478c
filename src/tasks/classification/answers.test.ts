import { describe, expect, it } from 'vitest'
import { answerTables, summarizeAnswers } from './answers.ts'

const labels = Int32Array.of(0, 0, 1, 1)
const named = Int32Array.of(0, 1, 1, 0)
const confidences = Float32Array.of(0.5, 0.75, 1, 0.875)
const layer = {
  ...{ name: 'layer4', experts: 3, k: 2, inputs: 1 },
  weights: Float32Array.of(1, 0, 0, 0.25, 0, 0.75, 0, 1, 0, 0, 0.5, 0.5),
  logits: new Float32Array(12),
}
const summary = summarizeAnswers({ named, confidences }, labels, [layer], 2)

describe('the answers of a classifier', () => {
  it('have the most confident mistakes with the experts that computed them', () => {
    expect(summary.mistakes).toEqual([
      {
        ...{ image: 3, label: 1, prediction: 0, confidence: 0.875 },
        experts: [
          [
            { expert: 1, weight: 0.5 },
            { expert: 2, weight: 0.5 },
          ],
        ],
      },
      {
        ...{ image: 1, label: 0, prediction: 1, confidence: 0.75 },
        experts: [
          [
            { expert: 2, weight: 0.75 },
            { expert: 0, weight: 0.25 },
          ],
        ],
      },
    ])
  })

  it('have confusions, means over classes and calibration', () => {
    expect(summary.confusion).toEqual([
      [1, 1],
      [1, 1],
    ])
    expect(summary).toMatchObject({ macroF1: 0.5, balancedAccuracy: 0.5 })
    // Four answers in four bins: |1 − 0.5|, |0 − 0.75|, |1 − 1|, |0 − 0.875|.
    expect(summary.calibration.ece).toBeCloseTo((0.5 + 0.75 + 0 + 0.875) / 4, 12)
    expect(summary.calibration.mce).toBe(0.875)
  })

  it('are tables for a terminal', () => {
    const tables = answerTables(summary, ['a class of many words', 'b'])
    expect(tables.map(({ title }) => title)).toEqual([
      'Classes',
      'Most frequent confusions',
      'Calibration: expected error 0.531, largest 0.875',
      'Most confident mistakes',
    ])
    expect(tables[0]!.rows).toEqual([
      ['a class of many w…', '2', '0.500', '0.500', '0.500'],
      ['b', '2', '0.500', '0.500', '0.500'],
      ['mean over classes', '', '', '0.500', '0.500'],
    ])
    expect(tables[3]!.rows[0]).toEqual(['3', 'b', 'a class of many w…', '87.5 %', '1 (50 %) 2 (50 %)'])
    const many = summarizeAnswers({ named, confidences }, labels, [], 30)
    expect(answerTables(many, [])[0]).toMatchObject({
      title: 'The 20 classes of 30 with the lowest F1',
      rows: { length: 3 },
    })
  })
})
