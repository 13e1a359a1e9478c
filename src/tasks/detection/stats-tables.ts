import type { MeasureChange } from '../../data/problem-kinds.ts'
import {
  type DetectionEvaluation,
  type SizeLimits,
  type StatMeaning,
  statMeanings,
} from '../../metrics/detections/index.ts'
import type { TextTable } from '../task.ts'

/**
 * COCO's twelve numbers with what each is about.
 *
 * @param changes - how the data was repaired or read in a way that changes them; those numbers are marked
 */
export function statsTables(
  { stats }: Pick<DetectionEvaluation, 'stats'>,
  sizes: SizeLimits,
  changes: readonly MeasureChange[] = [],
): TextTable[] {
  const { precision, recall } = statMeanings(sizes)
  const isChanged = changes.length > 0
  const onlySizes = changes.every(({ measure }) => measure === 'AP by size')
  const mark = (name: string): string => (isChanged && (!onlySizes || /[sml]$/.test(name)) ? ' *' : '')
  // Three decimals, as pycocotools prints them; a dash where there was nothing to measure.
  const rows = (meanings: readonly StatMeaning[]) =>
    meanings.map(([name, about]) => [
      name,
      stats[name] === null ? '–' : stats[name].toFixed(3),
      `${about}${mark(name)}`,
    ])
  return [
    {
      title: 'Average precision',
      heads: ['', 'value', 'of'],
      rows: rows(precision),
    },
    {
      title: 'Average recall',
      heads: ['', 'value', 'of'],
      rows: rows(recall),
    },
    ...(isChanged
      ? [
          {
            title: '* As the data was read',
            heads: ['changes', 'by'],
            rows: changes.flatMap(({ measure, text }) =>
              linesOf(text).map((line, i) => [i === 0 ? measure : '', line]),
            ),
          },
        ]
      : []),
  ]
}

/** Characters of a line next to the name of a measure, in a terminal of 80 columns. */
const longest = 62

function linesOf(text: string): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart()
    if (line.length > longest && lines.at(-1) !== '') lines.push(word)
    else lines[lines.length - 1] = line
  }
  return lines
}
