import type { LayerFindings } from '../analysis/findings.ts'
import type { PictureOfImage } from '../analysis/pictures.ts'
import { fixed } from './figures.ts'
import { html, type Markup, shown } from './markup.ts'
import { chip, classNamed, meter, picture } from './parts.ts'
import { anchor, classNamesOf, type ImageReading, type Reading, superclassOf } from './reading.ts'

/** Pictures smaller than this are shown pixel by pixel. */
const pixelated = 64

/** One copy of each picture, which the galleries and the alternatives draw from. */
export function pictureStore({ extras, pictures }: ImageReading): Markup {
  const rendering = extras.size <= pixelated ? html` style="image-rendering:pixelated"` : null
  const images = Array.from(
    pictures.values(),
    ({ image, png }) =>
      html`<image id="picture-${image}" width="1" height="1"${rendering} href="${safe(png)}"/>\n`,
  )
  return html`<svg class="defs" aria-hidden="true"><defs>${images}</defs></svg>`
}

/** Nothing but a picture inside the page: no address of another place. */
function safe(png: string): string {
  return png.startsWith('data:image/') ? png : 'data:,'
}

/** For each image, in a popover: what the network says, and what it would say with other experts. */
export function imageSections(reading: Reading): Markup {
  return html`${Array.from(reading.pictures.values(), one => alternatives(reading, one))}`
}

function alternatives(reading: Reading, one: PictureOfImage): Markup {
  const id = anchor.image(one.image)
  const { labels, predictions } = one
  const coarse = labels.flatMap(label => superclassOf(reading, label) ?? []).join(', ')
  return html`<div popover class="image" id="${id}" role="dialog" aria-labelledby="${id}-title">
<header>${picture(one.image, classNamesOf(reading, labels))}<div><h3 id="${id}-title">${namesOf(reading, labels)}</h3>
<p class="muted">${coarse === '' ? null : html`${coarse}, `}image ${one.image}</p>
<p>The network says ${answer(reading, predictions, labels, 'b')}</p></div>
<button class="close" type="button" popovertarget="${id}" popovertargetaction="hide" autofocus>Close</button></header>
${reading.findings.layers.map((layer, index) => layerTable(reading, one, layer, index))}</div>
`
}

function layerTable(
  reading: Reading,
  one: PictureOfImage,
  layer: LayerFindings,
  index: number,
): Markup | null {
  const routed = one.layers[index]
  if (routed === undefined) return null
  const rows = Array.from({ length: layer.count }, (_, expert) => {
    const weight = routed.weights[expert] ?? 0
    return html`<tr${weight === 0 ? html` class="idle"` : null}><th scope="row">${chip(expert)}</th><td>${fixed(routed.logits[expert], 1)}</td><td><span class="weight-cell">${meter(expert, weight, 1)}<span>${weight === 0 ? '0' : fixed(weight, 2)}</span></span></td>${said(reading, routed.single[expert], one.labels)}${said(reading, routed.without[expert], one.labels)}</tr>`
  })
  return html`<table><caption>${shown(layer.name)}</caption><thead><tr><th scope="col" class="text">Expert</th><th scope="col">Gate</th><th scope="col">Weight</th><th scope="col" class="text">Single expert</th><th scope="col" class="text">Left out</th></tr></thead><tbody>${rows}</tbody></table>`
}

function said(
  reading: Reading,
  predictions: readonly number[] | undefined,
  labels: readonly number[],
): Markup {
  return predictions === undefined
    ? html`<td class="text muted">–</td>`
    : html`<td class="text">${answer(reading, predictions, labels)}</td>`
}

/** Each class that is said, and whether the image has it; of an image with another number of classes also those that are missed. */
function answer(
  reading: Reading,
  predictions: readonly number[],
  labels: readonly number[],
  style: 'b' | 'plain' = 'plain',
): Markup {
  const isOneOfEach = predictions.length === 1 && labels.length === 1
  const missed = isOneOfEach ? [] : labels.filter(label => !predictions.includes(label))
  const parts = [
    ...predictions.map(label => {
      const named = classNamed(reading, label)
      return html`${style === 'b' ? html`<b>${named}</b>` : named} ${mark(labels.includes(label))}`
    }),
    ...(predictions.length === 0 ? [html`no class ${mark(labels.length === 0)}`] : []),
    ...(missed.length === 0 ? [] : [html`<span class="muted">misses ${namesOf(reading, missed)}</span>`]),
  ]
  return listed(parts)
}

function namesOf(reading: Reading, labels: readonly number[]): Markup {
  return labels.length === 0 ? html`no class` : listed(labels.map(label => classNamed(reading, label)))
}

function listed(parts: readonly Markup[]): Markup {
  return html`${parts.map((part, i) => (i === 0 ? part : html`, ${part}`))}`
}

function mark(right: boolean): Markup {
  return right
    ? html`<span class="right" role="img" aria-label="right">✓</span>`
    : html`<span class="wrong" role="img" aria-label="wrong">✗</span>`
}
