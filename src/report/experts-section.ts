import type { ExpertFindings, LayerFindings } from '../analysis/findings.ts'
import { captionsChart } from './captions-chart.ts'
import { percent, times } from './figures.ts'
import { html, type Markup, name, prose, shown, withCharts } from './markup.ts'
import { expertClass, meter, tile } from './parts.ts'
import { anchor, className, type ImageReading, type Reading, superclassName } from './reading.ts'

/** Every expert of a layer: its caption, its shares, the classes it is given, and the images that are most its own. */
export function expertsSection(reading: ImageReading, layer: LayerFindings, index: number): Markup {
  const experts = reading.extras.layers[index]?.experts ?? []
  const section = html`<section class="block" aria-labelledby="experts-${index}"><h3 id="experts-${index}">The experts and their images</h3>
<p class="lead small muted">Of each expert: the images with the largest weights (few of a class), most weight first; the number below an image is that weight. <span class="on-screen">Choose an image to see what each expert makes of it.</span> Red ticks mark chance: ${percent(1 / layer.count)} of the weight, chosen by ${percent(Math.min(1, layer.k / layer.count))} of the images.</p>
${experts.map(expert => card(reading, layer, index, expert))}</section>`
  return experts.length === 0 ? section : withCharts(section, [captionsChart(layer, experts).svg])
}

function card(reading: Reading, layer: LayerFindings, index: number, findings: ExpertFindings): Markup {
  const { expert, caption, noCaptionReason } = findings
  const [share, activation] = [layer.share[expert] ?? 0, layer.activation[expert] ?? 0]
  return html`<article class="expert ${expertClass(expert)}" id="${anchor.expert(index, expert)}" aria-label="${shown(layer.name)}, expert ${expert}">
<div><h4><span class="chip large ${expertClass(expert)}">${expert}</span>Expert ${expert}</h4>
${
  caption === null
    ? html`<p class="caption silent sentence">${prose(shown(noCaptionReason ?? 'no caption'))}</p>`
    : html`<p class="caption sentence">${prose(shown(caption))}</p>`
}
<dl class="measures">${measure('Mean gate weight', expert, share, layer.share, 1 / layer.count)}${measure('Selection rate, of images', expert, activation, layer.activation, Math.min(1, layer.k / layer.count))}</dl></div>
<div>${gallery(reading, index, findings)}${tops(reading, findings)}</div>
</article>
`
}

function measure(
  title: string,
  expert: number,
  value: number,
  all: readonly number[],
  chance: number,
): Markup {
  const most = Math.max(chance, ...all) * 1.05
  return html`<div><dt>${title}<b>${percent(value)}</b></dt><dd>${meter(expert, value, most, chance)}</dd></div>`
}

const listed = 6

/** What the expert is given more of than chance, by superclass and by class. */
function tops(reading: Reading, { expert, classes, superclasses }: ExpertFindings): Markup | null {
  const most = Math.max(1, ...classes.map(({ lift }) => lift), ...superclasses.map(({ lift }) => lift))
  const line = (title: Markup, lift: number): Markup =>
    html`<li><span>${title}</span>${meter(expert, lift, most, 1)}<b>${times(lift)}</b></li>`
  const coarse = superclasses
    .slice(0, listed)
    .map(top => line(name(superclassName(reading, top.superclass)), top.lift))
  const fine = classes
    .slice(0, listed)
    .map(top =>
      line(html`<a href="#${anchor.class(top.class)}">${name(className(reading, top.class))}</a>`, top.lift),
    )
  const column = (title: string, lines: readonly Markup[]): Markup | null =>
    lines.length === 0 ? null : html`<div><h5>${title}</h5><ol>${lines}</ol></div>`
  return fine.length + coarse.length === 0
    ? null
    : html`<div class="tops">${column('Superclasses, as a multiple of chance', coarse)}${column('Classes, as a multiple of chance', fine)}</div>`
}

function gallery(reading: Reading, layer: number, { expert, gallery: images }: ExpertFindings): Markup {
  const shownImages = images.flatMap(image => reading.pictures.get(image) ?? [])
  if (images.length === 0)
    return html`<p class="empty">No image chose expert ${expert}, so there is none to show.</p>`
  if (shownImages.length === 0)
    return html`<p class="empty">The images of expert ${expert} are not part of this report.</p>`
  return html`<ol class="gallery" aria-label="Images with the most weight for expert ${expert}">${shownImages.map(picture => html`<li>${tile(reading, picture, { layer, expert })}</li>\n`)}</ol>`
}
