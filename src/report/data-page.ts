import { type SizeName, sizeNames } from '../data/check/box-sizes.ts'
import type { DataReport } from '../data/check/check-data.ts'
import type { ContactSheet, SheetPicture } from '../data/check/contact-sheets.ts'
import type { FoundProblem } from '../data/check/found-problems.ts'
import { splitNames } from '../data/split-names.ts'
import { head } from './head.ts'
import { type Content, html, type Markup, name, shown } from './markup.ts'
import { table } from './parts.ts'

const number = (value: number): string => value.toLocaleString('en')

/** The page of `moiety data check`: what a data set has, its problems, and images of each class with their boxes. */
export function renderDataPage(report: DataReport, sheets: readonly ContactSheet[]): string {
  return html`<!doctype html>
<html lang="en">
${head({ title: shown(report.name), generator: 'Moiety', style })}
<body>
<div class="page">
<header><p class="kicker">Data check: ${report.kind}, ${report.task}</p><h1>${name(shown(report.name))}</h1>${
    report.usable
      ? null
      : html`<p class="notice">Training refuses this data until what is marked “refused” is corrected.</p>`
  }${facts(report)}</header>
<main>
<section><h2>Problems</h2>${problemList(report.problems)}</section>
${report.boxes === null ? null : boxSection(report.boxes)}
<section><h2>Classes, rarest first</h2>${report.boxes === null ? null : html`<p class="lead">Boxes with solid lines are objects of the class, those with dashed lines of others.</p>`}${classSections(report, sheets)}</section>
${report.notices.length === 0 ? null : html`<section><h2>Notes</h2>${report.notices.map(note => html`<p class="lead">${shown(note)}</p>`)}</section>`}
</main>
</div>
</body>
</html>
`.text
}

function facts({ splits, classes, sizes, channels, turned, division }: DataReport): Markup {
  const rows: [string, Content][] = splitNames.flatMap((split): [string, Content][] => {
    const counts = splits[split]
    if (counts === undefined) return []
    const objects = counts.objects === undefined ? '' : `, ${number(counts.objects)} objects`
    return [[split, `${number(counts.images)} images${objects}`]]
  })
  if (division !== null) rows.push(['division', division])
  rows.push(['classes', number(classes.length)])
  if (sizes !== null) {
    const { width, height, distinct } = sizes
    rows.push(
      ['sizes', number(distinct)],
      ['width', `${width.min} to ${width.max}, median ${width.median}`],
      ['height', `${height.min} to ${height.max}, median ${height.median}`],
    )
  }
  rows.push(['channels', channels.map(each => `${each.channels}: ${number(each.images)}`).join('; ')])
  rows.push(['turned by EXIF', number(turned)])
  return html`<dl class="facts">${rows.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`
}

function problemList(problems: readonly FoundProblem[]): Markup {
  if (problems.length === 0) return html`<p class="lead">None.</p>`
  return html`<ol class="problems">${problems.map(
    ({ kind, count, examples, handled }) =>
      html`<li><h3>${number(count)} × ${kind}</h3><p>${shown(handled)}</p><ul>${examples.map(
        example => html`<li>${name(visiblePath(example))}</li>`,
      )}</ul></li>`,
  )}</ol>`
}

function boxSection({ objects, withoutAnchor, detector }: NonNullable<DataReport['boxes']>): Markup {
  const limits: Record<SizeName, string> = { small: 'below 32²', medium: '32² to 96²', large: 'from 96²' }
  return html`<section><h2>Sizes of objects</h2><p class="lead">Areas in square pixels of the stored image. An object without an anchor overlaps none by ${detector.iou} (intersection over union), with data.size ${detector.size} and the ${detector.stem} stem: a detector is not trained on it. A larger data.size helps with small objects.</p><div class="scroll" tabindex="0" role="region" aria-label="Objects by size">${table(
    {
      caption: 'Objects by size',
      heads: ['Size', 'Area', 'Objects', 'Without an anchor'],
      rows: sizeNames.map(size => [size, limits[size], number(objects[size]), number(withoutAnchor[size])]),
    },
  )}</div></section>`
}

function classSections({ classes }: DataReport, sheets: readonly ContactSheet[]): Markup {
  const left = classes.length - sheets.length
  const most = Math.max(1, ...classes.map(each => each.images))
  return html`${sheets.map(
    sheet =>
      html`<section class="sheet"><h3>${name(shown(sheet.name))}</h3><p class="muted">${number(sheet.images)} images${sheet.objects === undefined ? '' : `, ${number(sheet.objects)} objects`}</p><span class="meter"><i style="--v:${((100 * sheet.images) / most).toFixed(1)}%"></i></span><ol class="${sheet.objects === undefined ? 'wholes' : 'scenes'}">${sheet.pictures.map(
        (picture, i) => html`<li>${drawn(picture, `${shown(sheet.name)}, image ${i + 1}`)}</li>`,
      )}</ol></section>`,
  )}${left > 0 ? html`<p class="lead">${number(left)} more classes, which have more images, are not shown.</p>` : null}`
}

/** A picture, with the boxes of its objects: of the sheet's class as lines, of others dashed. */
function drawn({ source, width, height, objects }: SheetPicture, alt: string): Markup {
  const label = objects.length === 0 ? alt : `${alt}: ${number(objects.length)} objects`
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}"><image width="${width}" height="${height}" href="${source}"/>${objects.map(
    ({ name: own, box: [x, y, w, h], isOwn }) =>
      html`<g class="${isOwn ? 'own' : 'other'}"><title>${shown(own)}</title><rect class="rim" x="${x ?? 0}" y="${y ?? 0}" width="${w ?? 0}" height="${h ?? 0}"/><rect x="${x ?? 0}" y="${y ?? 0}" width="${w ?? 0}" height="${h ?? 0}"/></g>`,
  )}</svg>`
}

/** A path as it is, apart from characters that are not seen. */
const visiblePath = (text: string): string => text.replaceAll(/\p{Cc}|\p{Cf}/gu, '�')

const style = `
.problems{margin-top:1.25rem}
.problems>li{padding:1rem 0;border-bottom:1px solid var(--line)}
.problems h3{font-size:1.1rem}
.problems ul{margin-top:.4rem;font-size:.8125rem;color:var(--muted)}
.problems ul li{overflow-wrap:anywhere}
.sheet{padding:1.5rem 0;border-bottom:1px solid var(--line)}
.sheet h3{font-size:1.1rem}
.sheet .meter{--c:var(--muted);max-width:20rem;margin-top:.4rem}
.wholes,.scenes{display:grid;gap:.6rem;margin-top:1rem}
.wholes{grid-template-columns:repeat(auto-fill,minmax(5rem,1fr))}
.scenes{grid-template-columns:repeat(auto-fill,minmax(min(100%,14rem),1fr))}
.wholes svg,.scenes svg{display:block;width:100%;border-radius:.2rem;background:var(--faint)}
.wholes svg{aspect-ratio:1}
.scenes rect{fill:none;stroke:#fff;stroke-width:1.5px;vector-effect:non-scaling-stroke}
.scenes .rim{stroke:#000;stroke-width:3.5px}
.scenes .other rect:not(.rim){stroke-dasharray:3 4}
`
