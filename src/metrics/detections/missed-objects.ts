import type { Detection } from '../../data/coco/results.ts'
import { bestThreshold, type PrecisionRecall, precisionRecall } from '../label-thresholds.ts'
import type { DetectionMatches, GroundTruth } from './evaluate-detections.ts'
import { overlap } from './iou.ts'
import { verdict } from './match.ts'

/** Whatever is said about single detections and objects: those from a score up count. */
interface Judged {
  readonly truth: Pick<GroundTruth, 'annotations' | 'categories'>
  readonly detections: readonly Detection[]
  readonly matches: DetectionMatches
}

/**
 * The score from which detections have the highest F₁ at an IoU of 0.5, those of all classes together; null where no detection
 * is right.
 */
export function bestScore({ truth, detections, matches }: Judged): number | null {
  const counted = detections.flatMap(({ score }, d) =>
    matches.verdicts[d] === verdict.ignored
      ? []
      : [{ score, isRight: Number(matches.verdicts[d] === verdict.right) }],
  )
  return bestThreshold(
    counted.map(({ score }) => score),
    counted.map(({ isRight }) => isRight),
    truth.annotations.filter(({ crowd }) => !crowd).length,
  )
}

/** What is found of a category from a score up, at an IoU of 0.5. */
export interface CategoryScores extends PrecisionRecall {
  readonly id: number
  /** Without crowds. */
  readonly objects: number
  /** Detections that are right or wrong. */
  readonly detections: number
}

/** Precision, recall and F₁ of each category, in the order of the truth, and of all detections and objects together. */
export function scoresFrom(
  { truth, detections, matches }: Judged,
  score: number,
): { readonly all: Omit<CategoryScores, 'id'>; readonly categories: readonly CategoryScores[] } {
  const counts = new Map(truth.categories.map(({ id }) => [id, { found: 0, positives: 0, right: 0 }]))
  for (const { categoryId, crowd } of truth.annotations) counts.get(categoryId)!.positives += Number(!crowd)
  for (const [d, { categoryId, score: own }] of detections.entries()) {
    if (own < score || matches.verdicts[d] === verdict.ignored) continue
    counts.get(categoryId)!.found += 1
    counts.get(categoryId)!.right += Number(matches.verdicts[d] === verdict.right)
  }
  const all = { found: 0, positives: 0, right: 0 }
  for (const own of counts.values())
    for (const key of ['found', 'positives', 'right'] as const) all[key] += own[key]
  const described = (own: typeof all) => ({
    objects: own.positives,
    detections: own.found,
    ...precisionRecall(own),
  })
  return {
    all: described(all),
    categories: Array.from(counts, ([id, own]) => ({ id, ...described(own) })),
  }
}

/**
 * Why an object is missed, the first that holds:
 *
 * - `merged`: a detection of its class overlaps it by 0.5 or more, and has found another object;
 * - `class`: a detection of another class overlaps it by 0.5 or more;
 * - `score`: a detection finds it, with a lower score than counts;
 * - `place`: a detection of its class overlaps it by 0.1 to 0.5;
 * - `unseen`: nothing of all that.
 *
 * The limits are those of TIDE (Bolya et al. 2020), as are `class` and `place`.
 */
export const missReasons = ['merged', 'class', 'score', 'place', 'unseen'] as const
export type MissReason = (typeof missReasons)[number]

const [foreground, background] = [0.5, 0.1] as const

/** An object that no detection from a score up has found. */
export interface MissedObject {
  /** Its number among the annotations. */
  readonly annotation: number
  readonly reason: MissReason
  /** The number of the detection that is the reason; null for `unseen`. */
  readonly detection: number | null
}

/** The objects that no detection from a score up has found at an IoU of 0.5, crowds apart, in the order of the annotations. */
export function missedObjects({ truth, detections, matches }: Judged, score: number): MissedObject[] {
  const byImage = new Map<number, number[]>()
  for (const [d, { imageId, score: own }] of detections.entries()) {
    if (own < score) continue
    const others = byImage.get(imageId)
    if (others === undefined) byImage.set(imageId, [d])
    else others.push(d)
  }
  return truth.annotations.flatMap(({ imageId, categoryId, box, crowd }, annotation): MissedObject[] => {
    const by = matches.foundBy[annotation]!
    if (crowd || (by >= 0 && detections[by]!.score >= score)) return []
    const near = { own: -1, ownIou: 0, other: -1, otherIou: 0 }
    for (const d of byImage.get(imageId) ?? []) {
      const one = detections[d]!
      const iou = overlap(Float64Array.from(one.box), 0, Float64Array.from(box), 0, false)
      if (one.categoryId === categoryId && iou > near.ownIou) Object.assign(near, { own: d, ownIou: iou })
      if (one.categoryId !== categoryId && iou > near.otherIou)
        Object.assign(near, { other: d, otherIou: iou })
    }
    if (near.ownIou >= foreground) return [{ annotation, reason: 'merged', detection: near.own }]
    if (near.otherIou >= foreground) return [{ annotation, reason: 'class', detection: near.other }]
    if (by >= 0) return [{ annotation, reason: 'score', detection: by }]
    if (near.ownIou >= background) return [{ annotation, reason: 'place', detection: near.own }]
    return [{ annotation, reason: 'unseen', detection: null }]
  })
}
