import { sizeNames } from '../data/check/box-sizes.ts'
import type { DataReport } from '../data/check/check-data.ts'
import { splitNames } from '../data/split-names.ts'
import { clean, type Paint, wrap } from './screen.ts'

/** Classes that are listed in a terminal, the rarest. */
const shownClasses = 12

const number = (value: number): string => value.toLocaleString('en')

/** What `moiety data check` prints for people. */
export function dataCheckText(report: DataReport, paint: Paint): string {
  const { name, kind, task, problems, usable } = report
  return [
    `${paint.bold(clean(name))}  ${kind}, ${task}`,
    [...splitLines(report), ...classLines(report), ...imageLines(report), ...boxLines(report)].join('\n'),
    ...report.notices.map(notice => paint.dim(wrap(clean(notice), '  '))),
    ...(problems.length === 0
      ? [paint.good('no problems')]
      : problems.map(problem =>
          [
            `${paint.warn(`${number(problem.count)} × ${problem.kind}`)}`,
            wrap(problem.handled, '  '),
            ...problem.examples.map(example => paint.dim(wrap(clean(example), '    '))),
          ].join('\n'),
        )),
    ...(usable ? [] : [paint.bad('training refuses this data until what is marked "refused" is corrected')]),
  ]
    .filter(part => part !== '')
    .join('\n\n')
}

function splitLines({ splits, division }: DataReport): readonly string[] {
  const lines = splitNames.flatMap(split => {
    const counts = splits[split]
    if (counts === undefined) return []
    const objects = counts.objects === undefined ? '' : `, ${number(counts.objects)} objects`
    return [`  ${split.padEnd(6)} ${number(counts.images)} images${objects}`]
  })
  return [...lines, ...(division === null ? [] : [`  ${division}`])]
}

function classLines({ classes }: DataReport): readonly string[] {
  const listed = classes.slice(0, shownClasses).map(each => `${clean(each.name)} ${number(each.images)}`)
  const more = classes.length > shownClasses ? `, and ${classes.length - shownClasses} more` : ''
  if (classes.length === 0) return []
  return [
    wrap(
      `${classes.length} class${classes.length === 1 ? '' : 'es'}, rarest first: ${listed.join(', ')}${more}`,
      '  ',
    ),
  ]
}

function imageLines({ sizes, channels, turned }: DataReport): readonly string[] {
  if (sizes === null) return []
  const { width, height, distinct } = sizes
  return [
    wrap(
      `${number(distinct)} size${distinct === 1 ? '' : 's'}: width ${width.min} to ${width.max} (median ${width.median}), height ${height.min} to ${height.max} (median ${height.median})`,
      '  ',
    ),
    wrap(channels.map(each => `${each.channels} ${number(each.images)}`).join('; '), '  '),
    ...(turned === 0 ? [] : [`  ${number(turned)} turned by EXIF`]),
  ]
}

function boxLines({ boxes }: DataReport): readonly string[] {
  if (boxes === null) return []
  const { objects, withoutAnchor, detector } = boxes
  const counts = sizeNames.map(
    size => `${number(objects[size])} ${size} (${number(withoutAnchor[size])} without an anchor)`,
  )
  return [
    wrap(
      `objects by size: ${counts.join(', ')}; anchors of a detector with data.size ${detector.size} and the ${detector.stem} stem, intersection over union ${detector.iou}`,
      '  ',
    ),
  ]
}
