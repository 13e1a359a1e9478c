import type { SeenImage, Sighting, Sightings } from '../predict/detect-run.ts'
import { fixed, percent } from './figures.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { chip, table } from './parts.ts'
import { shell } from './shell.ts'

/** What the page of a detector shows. */
export interface DetectionPage {
  readonly sightings: Sightings
  /** Of the first images, in order: each with its boxes drawn, as a PNG. */
  readonly pictures: readonly Uint8Array[]
  /** The name of the mixture whose experts give boxes their colours; undefined where there is none. */
  readonly coloured: string | undefined
}

/** `prediction.html` of a detector: each image with its boxes, and what is in them in a table. */
export function renderDetections({ sightings, pictures, coloured }: DetectionPage): string {
  const { run, step, images, score } = sightings
  const found = images.reduce((total, { objects }) => total + objects.length, 0)
  const left = images.length - pictures.length
  return shell({
    title: `${count(found, 'object')} in ${count(images.length, 'image')}`,
    kicker: `What ${shown(run)} finds with a score above ${score}, ${step} steps trained`,
    body: [
      coloured === undefined
        ? html`<p>The heads of this detector have no experts, so all boxes have one colour.</p>`
        : html`<p>A box has the colour and the number of the expert of ${shown(coloured)} that weighed most where it was found.</p>`,
      pictures.map((png, i) => seen(images[i]!, png, sightings.layers)),
      left === 0
        ? null
        : html`<p>${count(left, 'more image')} ${left === 1 ? 'is' : 'are'} not shown here.</p>`,
    ],
  })
}

function seen(image: SeenImage, png: Uint8Array, layers: Sightings['layers']): Markup {
  const { path, objects } = image
  const called = objects.slice(0, mostInWords).map(({ name: label }) => shown(label))
  const more = objects.length > mostInWords ? ` and ${objects.length - mostInWords} more` : ''
  const words = objects.length === 0 ? 'nothing was found' : `${called.join(', ')}${more}`
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`
  return html`<section class="seen"><h2>${name(shown(path))}</h2>
<img src="${source}" alt="${words}">
${objects.length === 0 ? html`<p class="muted">Nothing was found.</p>` : listed(objects, layers)}</section>
`
}

const mostInWords = 12

function listed(objects: readonly Sighting[], layers: Sightings['layers']): Markup {
  return html`<div class="wide-table" tabindex="0" role="region" aria-label="What was found">${table({
    caption: 'What was found, in pixels of the image',
    heads: [
      'class',
      'score',
      'x',
      'y',
      'width',
      'height',
      'level',
      ...layers.map(layer => shown(layer.name)),
    ],
    rows: objects.map(({ name: label, score, box, level, experts }) => [
      name(shown(label)),
      fixed(score, 2),
      ...box.map(side => fixed(side, 0)),
      `P${level}`,
      ...experts.map(ranked =>
        ranked.map(({ expert, weight }) => html`${chip(expert)} ${percent(weight, 0)} `),
      ),
    ]),
  })}</div>`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
