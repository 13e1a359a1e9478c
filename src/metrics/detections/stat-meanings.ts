import type { SizeLimits } from './settings.ts'
import type { DetectionStats } from './summarise.ts'

/** One of COCO's twelve numbers, and what it is about. */
export type StatMeaning = readonly [name: keyof DetectionStats, meaning: string]

/** What COCO's twelve numbers are about, in pycocotools' order. */
export function statMeanings([small, medium]: SizeLimits): {
  readonly precision: readonly StatMeaning[]
  readonly recall: readonly StatMeaning[]
} {
  const bySize = (measure: 'AP' | 'AR'): StatMeaning[] => [
    [`${measure}s`, `small, area up to ${small}²`],
    [`${measure}m`, `medium, ${small}² to ${medium}²`],
    [`${measure}l`, `large, from ${medium}²`],
  ]
  return {
    precision: [['AP', 'IoU 0.50 to 0.95'], ['AP50', 'IoU 0.50'], ['AP75', 'IoU 0.75'], ...bySize('AP')],
    recall: [
      ['AR1', '1 detection an image and category'],
      ['AR10', 'up to 10'],
      ['AR100', 'up to 100'],
      ...bySize('AR'),
    ],
  }
}
