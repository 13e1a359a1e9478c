import {
  type CategoryEvaluation,
  type DetectionEvaluation,
  type DetectionStats,
  type IouStats,
  type SizeLimits,
  type StatMeaning,
  statMeanings,
} from '../metrics/detections/index.ts'
import type { EvalDetectionsFlags } from './flags.ts'
import { borderless } from './report.ts'
import { bar, clean, type Paint, truncate } from './screen.ts'

/** The tables of `moiety eval-detections`, for a terminal of 80 columns. */
const barWidth = 20
const nameWidth = 18

type Order = EvalDetectionsFlags['sort']

/** Three decimals, as pycocotools prints them; a dash where there was nothing to measure. */
const shown = (value: number | null): string => (value === null ? '–' : value.toFixed(3))

/** COCO's twelve numbers, what each is about, and how much there was. */
export function statsTable(
  { stats, counts }: Pick<DetectionEvaluation, 'stats' | 'counts'>,
  sizes: SizeLimits,
  paint: Paint,
): string {
  const { precision, recall } = statMeanings(sizes)
  const number = (value: number): string => value.toLocaleString('en')
  const crowds = counts.crowds === 0 ? '' : ` and ${number(counts.crowds)} crowds`
  return [
    `${number(counts.detections)} detections of ${number(counts.objects)} objects${crowds}, in ${number(counts.images)} images, of ${number(counts.categories)} categories`,
    `${paint.bold('Average precision')}\n${rows(precision, stats, paint)}`,
    `${paint.bold('Average recall')}\n${rows(recall, stats, paint)}`,
  ].join('\n\n')
}

function rows(meanings: readonly StatMeaning[], stats: DetectionStats, paint: Paint): string {
  return meanings
    .map(([name, meaning]) => {
      const value = stats[name]
      const text = shown(value).padStart(5)
      const figure = name === 'AP' ? paint.good(paint.bold(text)) : text
      return `  ${name.padEnd(5)}  ${figure}  ${bar(value ?? 0, barWidth)}  ${paint.dim(meaning)}`
    })
    .join('\n')
}

/** AP and AR at each IoU threshold. */
export function iouTable(perIoU: readonly IouStats[], paint: Paint): string {
  const cells = (values: readonly string[]): string => values.map(value => value.padStart(5)).join('  ')
  return [
    paint.bold('By IoU'),
    paint.dim(`      ${cells(perIoU.map(({ iou }) => iou.toFixed(2)))}`),
    `  AP  ${cells(perIoU.map(({ AP }) => shown(AP)))}`,
    `  AR  ${cells(perIoU.map(({ AR }) => shown(AR)))}`,
  ].join('\n')
}

/** A line a category. */
export function categoryTable(categories: readonly CategoryEvaluation[], paint: Paint): string {
  const table = borderless(
    ['category', 'objects', 'AP', 'AP50', 'AP75', 'APs', 'APm', 'APl', 'AR100'],
    paint,
    ['left', ...new Array<'right'>(8).fill('right')],
  )
  for (const one of categories)
    table.push([
      truncate(clean(one.name), nameWidth),
      one.objects.toLocaleString('en'),
      ...[one.AP, one.AP50, one.AP75, one.APs, one.APm, one.APl, one.AR100].map(shown),
    ])
  return `${paint.bold('Categories')}\n${table.toString().replaceAll(/^/gm, ' ')}`
}

/** Categories by AP, id or name; those without objects come last, as they have no AP. */
export function sortedCategories(
  categories: readonly CategoryEvaluation[],
  order: Order,
): readonly CategoryEvaluation[] {
  if (order === 'id') return categories
  if (order === 'name')
    return categories.toSorted((a, b) => a.name.localeCompare(b.name, 'en') || a.id - b.id)
  const sign = order === 'best' ? -1 : 1
  const key = ({ AP }: CategoryEvaluation): number => (AP === null ? Number.MAX_VALUE : sign * AP)
  return categories.toSorted((a, b) => key(a) - key(b) || a.id - b.id)
}
