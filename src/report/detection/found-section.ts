import * as Plot from '@observablehq/plot'
import type { PictureOfMisses } from '../../analysis/detection/scene-pictures.ts'
import type { DetectionAnswers, DetectionExtras } from '../../analysis/findings.ts'
import { type MissReason, missReasons } from '../../metrics/detections/index.ts'
import { reasonWords } from '../../tasks/detection/found-and-missed.ts'
import { answersBlock } from '../answers-section.ts'
import { barChart } from '../bar-charts.ts'
import type { Definition } from '../definitions-section.ts'
import { type Chart, draw } from '../draw.ts'
import { fixed, percent, whole } from '../figures.ts'
import { fitted, html, type Markup, name, shown, withCharts } from '../markup.ts'
import { narrow } from '../matrix-charts.ts'
import { tone } from '../palette.ts'
import { stroke } from '../paper.ts'
import { chart, chip, figure, numbers, plainMeter } from '../parts.ts'
import { anchor, className, type Reading } from '../reading.ts'
import { wideTable } from '../wide-table.ts'
import { levelName } from './detection-words.ts'

/** Precision–recall curves, what is found of each class from the best score up, and the objects that are missed. */
export function foundSection(
  reading: Reading,
  { answers }: DetectionExtras,
  pictures: readonly PictureOfMisses[],
): Markup | null {
  if (answers === undefined || reading.findings.data.images === 0) return null
  return answersBlock(html`<div class="figures">${curvesFigure(answers)}${reasonsFigure(answers)}</div>
${missedScenes(reading, answers, pictures)}${scoresTable(reading, answers)}`)
}

function curvesFigure({ curves, score, atScore }: DetectionAnswers): Markup {
  const title = 'Precision and recall'
  const { recall, iou50, iou75, mean } = curves
  if (iou50 === null || iou75 === null || mean === null)
    return figure({ title, sentence: 'There is no object to find.', body: null })
  const area = (curve: readonly number[]): number => curve.reduce((a, b) => a + b, 0) / curve.length
  const best =
    score === null || atScore === null
      ? 'No detection is right at an IoU of 0.50.'
      : `Of detections with a score of at least ${fixed(score, 2)}, where F1 is highest (${fixed(atScore.all.f1, 3)}), ${percent(atScore.all.precision)} are right, and ${percent(atScore.all.recall)} of the objects are found.`
  return figure({
    title,
    sentence: `From certain detections (left) to all of them (right): how many objects are found, and how many of the detections are right, as means over classes; the area below a curve is its AP. Thin lines are single classes at an IoU of 0.50. ${best}`,
    body: chart(
      curvesChart(
        `Precision–recall curves: area ${fixed(area(iou50), 3)} at IoU 0.50, ${fixed(area(iou75), 3)} at 0.75, ${fixed(area(mean), 3)} over 0.50 to 0.95`,
        curves,
      ),
    ),
    after: numbers({
      caption: 'Precision at recalls',
      heads: ['Recall', 'IoU 0.50', 'IoU 0.75', '0.50 to 0.95'],
      rows: recall.flatMap((value, r) =>
        r % 5 === 0 ? [[fixed(value, 2), fixed(iou50[r], 3), fixed(iou75[r], 3), fixed(mean[r], 3)]] : [],
      ),
    }),
  })
}

interface Point {
  readonly recall: number
  readonly precision: number
  readonly z: number
}

/** More thin lines are one grey area. */
const mostThin = 40

function curvesChart(
  label: string,
  { recall, iou50, iou75, mean, perCategory }: DetectionAnswers['curves'],
): Chart {
  const points = (curve: readonly number[], z: number): Point[] =>
    curve.map((precision, r) => ({ recall: recall[r]!, precision, z }))
  const thin = perCategory.slice(0, mostThin).flatMap((curve, k) => (curve === null ? [] : points(curve, k)))
  const lines = [
    { curve: iou50!, text: 'IoU 0.50', stroke: tone('ink'), dash: '' },
    { curve: mean!, text: '0.50–0.95', stroke: tone('muted'), dash: '5 3' },
    { curve: iou75!, text: 'IoU 0.75', stroke: tone('ink'), dash: '1.5 2.5' },
  ]
  const axis = { domain: [0, 1], ticks: 5, tickSize: 0, labelArrow: 'none' } as const
  const xy = { x: 'recall', y: 'precision' }
  const facts = {
    name: 'precision-recall',
    label,
    data: recall.map((value, r) => ({
      recall: value,
      precision_iou_50: iou50![r] ?? null,
      precision_iou_75: iou75![r] ?? null,
      precision_iou_50_to_95: mean![r] ?? null,
    })),
    legend: thin.length === 0 ? [] : [stroke(tone('line'), 'single classes, IoU 0.50')],
  }
  return draw(facts, {
    width: narrow,
    height: 300,
    marginLeft: 34,
    marginRight: 8,
    marginTop: 22,
    marginBottom: 34,
    style: { fontSize: '11px' },
    x: { ...axis, label: 'recall' },
    y: { ...axis, label: 'precision', grid: true },
    marks: [
      Plot.line(thin, { ...xy, z: 'z', stroke: tone('line'), strokeWidth: 1 }),
      Plot.ruleY([0], { stroke: tone('muted') }),
      lines.map(({ curve, stroke, dash }, z) =>
        Plot.line(points(curve, z), {
          ...xy,
          stroke,
          strokeWidth: 2,
          ...(dash === '' ? {} : { strokeDasharray: dash }),
        }),
      ),
      lines.map(({ text, stroke, dash }, i) => [
        Plot.link([i], {
          x1: 0.66,
          x2: 0.75,
          y1: 0.97 - 0.07 * i,
          y2: 0.97 - 0.07 * i,
          stroke,
          strokeWidth: 2,
          ...(dash === '' ? {} : { strokeDasharray: dash }),
        }),
        Plot.text([text], {
          x: 0.77,
          y: 0.97 - 0.07 * i,
          text: String,
          textAnchor: 'start',
          fill: tone('ink'),
          stroke: tone('paper'),
          strokeWidth: 3,
        }),
      ]),
    ],
  })
}

function reasonsFigure({ missed, score }: DetectionAnswers): Markup {
  const { total, reasons } = missed
  const objects = `${whole(total)} object${total === 1 ? '' : 's'}`
  const page = figure({
    title: 'Missed objects',
    sentence:
      total === 0
        ? 'Every object is found at an IoU of 0.50.'
        : `${objects} ${total === 1 ? 'is' : 'are'} not found at an IoU of 0.50 by ${score === null ? 'any detection' : `detections with a score of at least ${fixed(score, 2)}`}.`,
    body:
      total === 0
        ? null
        : html`<ol class="reasons">${missReasons.map(
            reason =>
              html`<li><span>${reasonWords[reason]}</span>${plainMeter((reasons[reason] ?? 0) / total)}<b>${whole(reasons[reason] ?? 0)}</b></li>`,
          )}</ol>`,
  })
  if (total === 0) return page
  const rows = missReasons.map(reason => ({ reason: reasonWords[reason], objects: reasons[reason] ?? 0 }))
  const facts = {
    name: 'missed-objects',
    label: `Why ${objects} are missed`,
    data: rows,
    legend: [{ text: `numbers: objects, of ${whole(total)} that are missed` }],
  }
  const bars = rows.map(({ reason, objects: value }) => ({
    name: reason,
    value,
    text: whole(value),
    tick: null,
  }))
  return withCharts(page, [barChart(facts, bars, total).svg])
}

function missedScenes(
  reading: Reading,
  { missed, score }: DetectionAnswers,
  pictures: readonly PictureOfMisses[],
): Markup | null {
  if (pictures.length === 0) return null
  return html`<section class="block" aria-labelledby="missed-title"><h3 id="missed-title">Images with missed objects</h3>
<p class="lead small muted">Those with most of the ${whole(missed.total)} missed objects. A dashed box is a missed object, a thin one what is found${score === null ? null : html` with a score of at least ${fixed(score, 2)}`}; below, for every missed object why, its level and the experts there.</p>
<ol class="scenes">${pictures.map(one => html`<li>${drawn(reading, one)}${listOf(reading, missed, one)}</li>\n`)}</ol></section>
`
}

function drawn(reading: Reading, { image, width, height, found, missed }: PictureOfMisses): Markup {
  const unit = Math.max(width, height) / 100
  const round = (value: number): string => value.toFixed(1)
  const frame = ([left, top, w, h]: readonly number[], kind: string, scale: number): Markup => {
    const place = html`x="${round(left ?? 0)}" y="${round(top ?? 0)}" width="${round(w ?? 0)}" height="${round(h ?? 0)}"`
    return html`<rect class="halo" ${place} stroke-width="${round(unit * scale * 1.7)}"/><rect class="${kind}" ${place} stroke-width="${round(unit * scale)}" stroke-dasharray="${kind === 'missed' ? `${round(unit * 2.4)} ${round(unit * 1.6)}` : 'none'}"/>`
  }
  const words = missed.map(({ label }) => className(reading, label)).join(', ')
  return html`<svg class="scene" viewBox="0 0 ${width} ${height}" role="img" aria-label="Image ${image}: missed ${words}"><use href="#scene-${image}"/>${found.map(({ box }) => frame(box, 'other', 0.5))}${missed.map(({ box }) => frame(box, 'missed', 1))}</svg>`
}

/** Of one image; more would be a page of its own. */
const mostListed = 5

function listOf(
  reading: Reading,
  { examples }: DetectionAnswers['missed'],
  { image }: PictureOfMisses,
): Markup {
  const own = examples.filter(one => one.image === image)
  const { layers } = reading.findings
  return html`<ul class="misses"><li class="muted">image ${image}</li>${own
    .slice(0, mostListed)
    .map(({ label, reason, instead, level, experts }) => {
      const cause = instead === null ? '' : causeOf(reading, reason, instead)
      const routes = experts.map(
        (weights, layer) =>
          html` ${layers.length > 1 ? `${headOf(layers[layer]?.name ?? '')} ` : null}${weights.slice(0, 2).map(({ expert }) => chip(expert))}`,
      )
      return html`<li><b>${name(fitted(className(reading, label), 24))}</b>: ${shortReasons[reason]}${cause}${level < 0 ? null : html`, ${levelName(level)}`}${routes}</li>`
    })}${own.length > mostListed ? html`<li class="muted">and ${own.length - mostListed} more</li>` : null}</ul>`
}

/** `classification` of `head.classification_head`. */
function headOf(layer: string): string {
  return shown(layer.replace(/^head\./, '').replace(/_head(\..*)?$/, ''))
}

const shortReasons: Readonly<Record<MissReason, string>> = {
  merged: 'under another of its class',
  class: 'taken for',
  score: 'uncertain',
  place: 'placed wrong',
  unseen: 'not found',
}

function causeOf(
  reading: Reading,
  reason: MissReason,
  { label, score }: { readonly label: number; readonly score: number },
): string {
  const what = reason === 'class' ? ` ${fitted(className(reading, label), 24)}` : ''
  return `${what} (${fixed(score, 2)})`
}

function scoresTable(reading: Reading, { score, atScore, missed }: DetectionAnswers): Markup | null {
  if (score === null || atScore === null) return null
  const { all, classes } = atScore
  const cells = (one: typeof all): string[] => [
    whole(one.objects),
    whole(one.detections),
    ...[one.precision, one.recall, one.f1].map(value => fixed(value, 3)),
  ]
  return html`<section class="block" aria-labelledby="found-title"><h3 id="found-title">Precision, recall and F1</h3>
<p class="lead small muted">At an IoU of 0.50, of detections with a score of at least ${fixed(score, 2)}: the one with the highest F1 of all classes together.</p>
${wideTable('Precision, recall and F1', {
  caption: 'Precision, recall and F1 of the classes',
  heads: ['Class', 'objects', 'detections', 'precision', 'recall', 'F1', 'missed'],
  rows: [
    ['all together', ...cells(all), whole(missed.total)],
    ...classes.map((one, c) => [
      html`<a href="#${anchor.class(c)}">${name(shown(className(reading, c)))}</a>`,
      ...cells(one),
      whole(missed.perClass[c]),
    ]),
  ],
})}</section>
`
}

/** What the section measures, for the list of definitions. */
export const missedDefinition: Definition = {
  term: 'Missed objects',
  meaning:
    'Objects that no detection finds at an IoU of 0.50 in the matching of AP50, from the score with the highest F1 up, and why: the first that holds of “under a detection of another object of its class” (IoU 0.5), “as another class” (0.5), “with a lower score”, “overlaps too little” (0.1), “not at all”.',
  chance: null,
}

/** Rules in addition to the common ones. */
export const foundStyle = `
.scene .missed{fill:none;stroke:var(--e2)}
.scene .other{fill:none;stroke:var(--e0)}
.misses{margin-top:.5rem;font-size:.75rem;line-height:1.45}
.misses .chip{font-size:.625rem}
.reasons{display:grid;gap:.6rem;margin-top:1rem;font-size:.8125rem;line-height:1.35}
.reasons li{display:grid;grid-template-columns:minmax(0,1fr) 6rem 3rem;gap:.75rem;align-items:center}
.reasons b{text-align:right;font-weight:400;font-variant-numeric:tabular-nums}
.meter.plain{--c:var(--muted)}
`
