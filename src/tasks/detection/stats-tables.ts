import type { MeasureChange } from '../../data/problems.ts'
import type { DetectionEvaluation, DetectionStats, SizeLimits } from '../../metrics/detections/index.ts'
import type { TextTable } from '../task.ts'

/**
 * COCO's twelve numbers with what each is about.
 *
 * @param changes - how the data was repaired or read in a way that changes them; those numbers are marked
 */
export function statsTables(
  { stats }: Pick<DetectionEvaluation, 'stats'>,
  [small, medium]: SizeLimits,
  changes: readonly MeasureChange[] = [],
): TextTable[] {
  const isChanged = changes.length > 0
  const onlySizes = changes.every(({ measure }) => measure === 'AP by size')
  const mark = (name: string): string => (isChanged && (!onlySizes || /[sml]$/.test(name)) ? ' *' : '')
  // Three decimals, as pycocotools prints them; a dash where there was nothing to measure.
  const rows = (names: readonly (readonly [keyof DetectionStats, string])[]) =>
    names.map(([name, about]) => [
      name,
      stats[name] === null ? '–' : stats[name].toFixed(3),
      `${about}${mark(name)}`,
    ])
  return [
    {
      title: 'Average precision',
      heads: ['', 'value', 'of'],
      rows: rows([
        ['AP', 'IoU 0.50 to 0.95'],
        ['AP50', 'IoU 0.50'],
        ['AP75', 'IoU 0.75'],
        ['APs', `small, area up to ${small}²`],
        ['APm', `medium, ${small}² to ${medium}²`],
        ['APl', `large, from ${medium}²`],
      ]),
    },
    {
      title: 'Average recall',
      heads: ['', 'value', 'of'],
      rows: rows([
        ['AR1', '1 detection an image and category'],
        ['AR10', 'up to 10'],
        ['AR100', 'up to 100'],
        ['ARs', `small, area up to ${small}²`],
        ['ARm', `medium, ${small}² to ${medium}²`],
        ['ARl', `large, from ${medium}²`],
      ]),
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

/** Characters of a line beside the name of a measure, in a terminal of 80 columns. */
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
