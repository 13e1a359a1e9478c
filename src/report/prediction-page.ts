import type { Prediction, Predictions } from '../predict/predict-run.ts'
import { fixed, percent } from './figures.ts'
import { type Content, html, type Markup, name, shown } from './markup.ts'
import { chip, meter } from './parts.ts'
import { shell } from './shell.ts'

/** Pictures narrower than this are shown pixel by pixel. */
const pixelated = html` style="image-rendering:pixelated"`

/** `prediction.html`: each image with its classes, its experts, and the training images that it is most like. */
export function renderPredictions({ run, step, predictions }: Predictions): string {
  return shell({
    title: predictions.length === 1 ? 'One image' : `${predictions.length} images`,
    kicker: `What ${shown(run)} says, ${step} steps trained`,
    body: predictions.map(asked),
  })
}

function asked({ path, png, classes, layers, neighbours }: Prediction): Markup {
  return html`<section class="asked"><img src="${safe(png)}" alt="${shown(path)}, as the network saw it"${pixelated}><div>
<h2>${name(shown(path))}</h2>
<ol class="bars">${classes.map(({ name: label, probability }) =>
    bar(name(shown(label)), plainMeter(probability), probability),
  )}</ol>
${layers.map(routed)}
${neighbours.length === 0 ? null : near(neighbours)}</div></section>
`
}

function routed({ name: layer, experts }: Prediction['layers'][number]): Markup {
  return html`<h3>Experts of ${shown(layer)}</h3><ol class="bars">${experts.map(({ expert, weight }) =>
    bar(html`${chip(expert)} expert ${expert}`, meter(expert, weight, 1), weight),
  )}</ol>`
}

function bar(label: Content, drawn: Markup, fraction: number): Markup {
  return html`<li><span>${label}</span>${drawn}<span>${percent(fraction)}</span></li>`
}

/** A bar without an expert's colour, which would look as if it were that expert's. */
function plainMeter(fraction: number): Markup {
  return html`<span class="meter plain" aria-hidden="true"><i style="--v:${fixed(100 * fraction, 2)}%"></i></span>`
}

function near(neighbours: Prediction['neighbours']): Markup {
  const strangers = neighbours.some(({ sameRoute }) => !sameRoute)
  const title = strangers
    ? 'Training images that it is most like; too few went to the same experts, the others are marked'
    : 'Training images on the same route that it is most like'
  return html`<h3>${title}</h3><ol class="near">${neighbours.map(
    ({ image, name: label, similarity, sameRoute, png }) =>
      html`<li><img src="${safe(png)}" alt="${shown(label)}, training image ${image}"${pixelated}>${name(shown(label))}<br><span class="muted">${fixed(similarity, 2)}${sameRoute ? '' : ', other experts'}</span></li>`,
  )}</ol>`
}

/** Nothing but a picture inside the page: no address of another place. */
function safe(png: string): string {
  return png.startsWith('data:image/') ? png : 'data:,'
}
