import { describe, expect, it } from 'vitest'
import {
  classResults,
  classTable,
  itemsOf,
  multiLabelMeasuresOf,
  thresholdsOn,
} from './multi-label-result.ts'

/** Four images, three classes; nobody shows the third. */
const scored = {
  length: 4,
  targets: Uint8Array.of(1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0),
  probabilities: Float64Array.of(0.9, 0.2, 0.1, 0.8, 0.6, 0.1, 0.3, 0.3, 0.7, 0.1, 0.4, 0.1),
}

describe('what a multi-label network reaches', () => {
  it('is the mean average precision over classes that there are, and F1 over all labels at 0.5', () => {
    // Right at 1 and 3 of the first; at 1 and 3 of the second. At 0.5 found: 0.9, 0.8, 0.6, 0.7, of which two are right, of four.
    const { mAP, f1 } = multiLabelMeasuresOf(scored, 3)
    expect(mAP).toBeCloseTo((1 + 2 / 3) / 2, 12)
    expect(f1).toBeCloseTo(4 / 8, 12)
    const nothing = { length: 1, targets: new Uint8Array(2), probabilities: Float64Array.of(0.1, 0.2) }
    expect(multiLabelMeasuresOf(nothing, 2)).toEqual({ mAP: null, f1: null })
  })

  it('has for each class the threshold with the highest F1, 0.5 where there is nothing to find', () => {
    expect(thresholdsOn(scored, 3)).toEqual([0.3, 0.3, 0.5])
  })

  it('measures each class at thresholds that were chosen elsewhere', () => {
    const results = classResults(scored, ['a', 'b', 'c'], [0.85, 0.3, 0.5])
    expect(results).toEqual([
      {
        ...{ name: 'a', images: 2, averagePrecision: (1 + 2 / 3) / 2, threshold: 0.85 },
        ...{ precision: 1, recall: 0.5, f1: 2 / 3 },
      },
      {
        ...{ name: 'b', images: 2, averagePrecision: (1 + 2 / 3) / 2, threshold: 0.3 },
        ...{ precision: 2 / 3, recall: 1, f1: 0.8 },
      },
      {
        ...{ name: 'c', images: 0, averagePrecision: null, threshold: 0.5 },
        ...{ precision: 0, recall: null, f1: 0 },
      },
    ])
    const table = classTable(results, 'val', 'test')
    expect(table.title).toContain('on the val split')
    expect(table.rows[2]).toEqual(['c', '0', '–', '0.500', '0.000', '–', '0.000'])
    expect(classTable(results, 'val', 'val').title).toContain('on these very images')
    const many = classTable(
      Array.from({ length: 60 }, () => results[0]!),
      'val',
      'val',
    )
    expect(many.rows.at(-1)![0]).toBe('and 10 more')
  })

  it('has an item for each label of each image', () => {
    expect(itemsOf(scored.targets, 3)).toEqual([
      { image: 0, label: 0, level: 0 },
      { image: 1, label: 1, level: 0 },
      { image: 2, label: 0, level: 0 },
      { image: 2, label: 1, level: 0 },
    ])
  })
})
