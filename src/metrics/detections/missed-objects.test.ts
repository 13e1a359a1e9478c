import { describe, expect, it } from 'vitest'
import type { CocoAnnotation } from '../../data/coco/annotations.ts'
import type { Box } from '../../data/coco/record.ts'
import {
  bestScore,
  evaluateDetections,
  type GroundTruth,
  missedObjects,
  precisionRecallCurves,
  scoresFrom,
} from './index.ts'

const object = (
  id: number,
  imageId: number,
  categoryId: number,
  box: Box,
  crowd = false,
): CocoAnnotation => ({
  ...{ id, imageId, categoryId, box, crowd },
  area: box[2] * box[3],
})
const detection = (imageId: number, categoryId: number, score: number, box: Box) => ({
  ...{ imageId, categoryId, score, box },
})

/** Two images; cats are 1, dogs 2. */
const truth: GroundTruth = {
  images: [{ id: 10 }, { id: 20 }],
  categories: [
    { id: 1, name: 'cat' },
    { id: 2, name: 'dog' },
  ],
  annotations: [
    object(1, 10, 1, [0, 0, 100, 100]), // found with 0.9
    object(2, 10, 1, [5, 0, 100, 100]), // under the same detection
    object(3, 10, 2, [200, 0, 100, 100]), // taken for a cat
    object(4, 20, 2, [0, 0, 100, 100]), // found with 0.2
    object(5, 20, 2, [200, 0, 100, 100]), // its box covers a third
    object(6, 20, 1, [400, 400, 50, 50]), // unseen
    object(7, 20, 1, [0, 400, 100, 100], true), // a crowd
  ],
}
const detections = [
  detection(10, 1, 0.9, [0, 0, 100, 100]),
  detection(10, 1, 0.8, [200, 0, 100, 100]), // wrong
  detection(20, 2, 0.7, [250, 0, 100, 100]), // wrong: 50 / 150
  detection(20, 2, 0.2, [0, 0, 100, 90]),
  detection(20, 1, 0.6, [0, 400, 100, 100]), // of the crowd
]
const evaluation = evaluateDetections(truth, detections)
const judged = { truth, detections, matches: evaluation.matches }

describe('single detections and objects', () => {
  it('are matched as for AP50', () => {
    expect([...evaluation.matches.verdicts]).toEqual([1, 0, 0, 1, 2])
    expect([...evaluation.matches.foundBy]).toEqual([0, -1, -1, 3, -1, -1, -1])
  })

  it('have the highest F1 from a score that is found by hand, objects without a detection counted', () => {
    // From 0.9: 1 of 1 right, F1 = 2/7. From 0.8: 2/8. From 0.7: 2/9. From 0.2: 4/10.
    expect(bestScore(judged)).toBe(0.2)
    const few = { ...truth, annotations: truth.annotations.slice(0, 1) }
    const matches = evaluateDetections(few, detections).matches
    expect(bestScore({ truth: few, detections, matches })).toBe(0.9)
    const none = detections.map(one => ({ ...one, box: [900, 900, 1, 1] as Box }))
    expect(
      bestScore({ truth, detections: none, matches: evaluateDetections(truth, none).matches }),
    ).toBeNull()
  })

  it('have the precision, recall and F1 of each class from a score up', () => {
    const { all, categories } = scoresFrom(judged, 0.5)
    expect(categories).toEqual([
      { id: 1, objects: 3, detections: 2, precision: 0.5, recall: 1 / 3, f1: 2 / 5 },
      { id: 2, objects: 3, detections: 1, precision: 0, recall: 0, f1: 0 },
    ])
    expect(all).toEqual({ objects: 6, detections: 3, precision: 1 / 3, recall: 1 / 6, f1: 2 / 9 })
  })

  it('say why an object is missed', () => {
    expect(missedObjects(judged, 0.5)).toEqual([
      { annotation: 1, reason: 'merged', detection: 0 },
      { annotation: 2, reason: 'class', detection: 1 },
      { annotation: 3, reason: 'score', detection: 3 },
      { annotation: 4, reason: 'place', detection: 2 },
      { annotation: 5, reason: 'unseen', detection: null },
    ])
    expect(missedObjects(judged, 0.2).map(({ annotation }) => annotation)).toEqual([1, 2, 4, 5])
    expect(missedObjects(judged, 0.95).map(({ reason }) => reason)).toEqual([
      'score',
      'unseen',
      'unseen',
      'score',
      'unseen',
      'unseen',
    ])
  })
})

describe('precision–recall curves', () => {
  const mean = (curve: readonly number[] | null | undefined): number =>
    curve!.reduce((a, b) => a + b, 0) / curve!.length

  it('have AP as their means', () => {
    const curves = precisionRecallCurves(evaluation.curves)
    const { AP, AP50, AP75 } = evaluation.stats
    expect(mean(curves.mean)).toBeCloseTo(AP!, 12)
    expect(mean(curves.iou50)).toBeCloseTo(AP50!, 12)
    expect(mean(curves.iou75)).toBeCloseTo(AP75!, 12)
    expect(curves.perCategory.map(mean)).toEqual(
      evaluation.perCategory.map(one => expect.closeTo(one.AP50!, 12)),
    )
    // Cats: one right first, of three: precision 1 up to a recall of 1/3. Dogs: the right one comes second.
    expect(curves.perCategory[0]).toEqual(
      curves.recall.map(recall => (recall <= 1 / 3 ? expect.closeTo(1, 12) : 0)),
    )
    expect(curves.perCategory[1]).toEqual(
      curves.recall.map(recall => (recall <= 1 / 3 ? expect.closeTo(0.5, 12) : 0)),
    )
  })

  it('are not there where there is nothing to find', () => {
    const empty = evaluateDetections({ ...truth, annotations: [] }, [])
    const curves = precisionRecallCurves(empty.curves)
    expect(curves).toMatchObject({ iou50: null, iou75: null, mean: null, perCategory: [null, null] })
  })
})
