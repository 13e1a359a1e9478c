import { dirname, relative, resolve, sep } from 'node:path'
import type { ExpertWeight, Figure, Mark, PredictedImage, Predictions } from '../predict/predictor.ts'
import { type Prediction, predictorOf } from '../predict/predictors.ts'
import { percent } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { chip, meter, plainMeter, table } from './parts.ts'
import { shell } from './shell.ts'

/**
 * `prediction.html`: each image with the figures of its task.
 *
 * @param pictures - of the first images, in order, as PNG; the others are not shown
 */
export function renderPredictions(
  predictions: Predictions<Prediction>,
  pictures: readonly Uint8Array[],
): string {
  const { run, task, checkpoint, images, skipped } = predictions
  const predictor = predictorOf(task)
  const left = images.length - pictures.length
  const style = predictor.marks === undefined ? 'asked' : 'seen'
  const nameOf = namesBelow(images.map(({ path }) => path))
  return shell({
    title: images.length === 1 ? 'One image' : `${images.length} images`,
    kicker: `Predictions of ${shown(run)} at ${shown(checkpoint)}`,
    body: [
      predictor.notes(predictions).map(note => html`<p>${shown(note)}</p>\n`),
      pictures.map((png, i) => {
        const image = images[i]!
        const marks = predictor.marks?.(image, predictions)
        const given = marks === undefined ? givenWords(image) : null
        const path = nameOf(image.path)
        const alt = marks === undefined ? shown(path) : namesOf(marks)
        const figures = predictor.figures(image, predictions)
        return section({ path, png, alt, given, figures, style })
      }),
      skipped.length === 0
        ? null
        : html`<p>${skipped.length} ${skipped.length === 1 ? 'file' : 'files'} that cannot be read ${skipped.length === 1 ? 'is' : 'are'} left out.</p>`,
      left === 0 ? null : html`<p>${left} more ${left === 1 ? 'image is' : 'images are'} not shown here.</p>`,
    ],
  }).text
}

/** The name of each file below the folder that all are in: a page says nothing of where that lies. */
function namesBelow(paths: readonly string[]): (path: string) => string {
  const folders = paths.map(path => dirname(resolve(path)).split(sep))
  const [first = []] = folders
  const depth = first.findIndex((name, i) => folders.some(folder => folder[i] !== name))
  const common = first.slice(0, depth < 0 ? first.length : depth).join(sep)
  return path => relative(common === '' ? sep : common, resolve(path))
}

/** What the network is given of an image that is not marked. */
function givenWords({ width, height, input }: PredictedImage<Prediction>): string {
  const part = width === height ? 'it' : 'the square that is not darkened'
  return `The network is given ${part}, in ${input.width}\u202f×\u202f${input.height} pixels.`
}

interface Section {
  readonly path: string
  readonly png: Uint8Array
  readonly alt: string
  /** Said below the title. */
  readonly given: string | null
  readonly figures: readonly Figure[]
  /** The picture next to the figures or, larger, above them. */
  readonly style: 'asked' | 'seen'
}

function section({ path, png, alt, given, figures, style }: Section): Markup {
  const title = html`<h2>${name(shown(path))}</h2>${given === null ? null : html`<p class="small muted">${given}</p>`}`
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`
  const picture = html`<img src="${source}" alt="${alt}">`
  return style === 'asked'
    ? html`<section class="asked">${picture}<div>${title}${figures.map(drawn)}</div></section>\n`
    : html`<section class="seen">${title}${picture}${figures.map(drawn)}</section>\n`
}

const mostNames = 12

function namesOf(marks: readonly Mark[]): string {
  const names = marks.slice(0, mostNames).map(mark => shown(mark.name))
  const more = marks.length - names.length
  return names.length === 0
    ? 'nothing was found'
    : `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function drawn(figure: Figure): Markup {
  switch (figure.kind) {
    case 'text':
      return html`<p class="muted">${shown(figure.text)}</p>`
    case 'shares':
      return bars(figure.rows.map(row => [name(shown(row.name)), plainMeter(row.share), row.share]))
    case 'experts':
      return html`<h3>Experts of ${shown(figure.layer)}</h3>${bars(
        figure.experts.map(({ expert, weight }) => [
          html`${chip(expert)} expert ${expert}`,
          meter(expert, weight, 1),
          weight,
        ]),
      )}`
    case 'table':
      return html`<div class="wide-table" tabindex="0" role="region" aria-label="${figure.caption}">${table({
        caption: figure.caption,
        heads: figure.heads.map(shown),
        rows: figure.rows.map(row =>
          row.map(cell => (typeof cell === 'string' ? name(shown(cell)) : chips(cell))),
        ),
      })}</div>`
    case 'images':
      return html`<h3>${figure.title}${figure.note === null ? '' : `; ${figure.note}`}</h3><ol class="near">${figure.images.map(
        ({ name: label, alt, detail, png }) =>
          html`<li><img src="${safe(png)}" alt="${shown(label)}, ${alt}" style="image-rendering:pixelated">${name(shown(label))}<br><span class="muted">${detail}</span></li>`,
      )}</ol>`
  }
}

function bars(rows: readonly (readonly [label: Markup, bar: Markup, fraction: number])[]): Markup {
  return html`<ol class="bars">${rows.map(
    ([label, bar, fraction]) => html`<li><span>${label}</span>${bar}<span>${percent(fraction)}</span></li>`,
  )}</ol>`
}

function chips(experts: readonly ExpertWeight[]): Markup[] {
  return experts.map(({ expert, weight }) => html`${chip(expert)} ${percent(weight, 0)} `)
}

/** Nothing but a picture inside the page: no address of another place. */
function safe(png: string | null): string {
  return png?.startsWith('data:image/') ? png : 'data:,'
}
