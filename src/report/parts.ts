import type { PictureOfImage } from '../analysis/pictures.ts'
import type { Chart } from './draw.ts'
import { fixed } from './figures.ts'
import { type Content, html, type Markup, name } from './markup.ts'
import { narrow } from './matrix-charts.ts'
import { expertShades } from './palette.ts'
import { anchor, className, classNamesOf, type Reading } from './reading.ts'

/** The style class that has an expert's colours. */
export function expertClass(expert: number): string {
  return `e${expert % expertShades.length}`
}

/** An expert's number in its colour; a link to its part of the page where there is a target. */
export function chip(expert: number, target: string | null = null): Markup {
  return target === null
    ? html`<span class="chip ${expertClass(expert)}">${expert}</span>`
    : html`<a class="chip ${expertClass(expert)}" href="#${target}" aria-label="expert ${expert}">${expert}</a>`
}

/**
 * A bar for a number that is also given in words, with a tick where chance is.
 *
 * @param most - the number that fills the whole width
 */
export function meter(expert: number, value: number, most: number, chance: number | null = null): Markup {
  const tick = chance === null ? null : html`<b style="--t:${share(chance, most)}"></b>`
  return html`<span class="meter ${expertClass(expert)}"><i style="--v:${share(value, most)}"></i>${tick}</span>`
}

/** A bar for a fraction that is no expert's. */
export function plainMeter(fraction: number): Markup {
  return html`<span class="meter plain"><i style="--v:${share(fraction, 1)}"></i></span>`
}

/** A number as a part of the whole width, for styles. */
export function share(value: number, most: number): string {
  const fraction = most > 0 && Number.isFinite(value) ? Math.min(1, Math.max(0, value / most)) : 0
  return `${Number((100 * fraction).toFixed(2))}%`
}

/** The picture of an image, drawn from the one copy that the page holds of it. */
export function picture(image: number, label: string | null = null): Markup {
  const role = label === null ? html`aria-hidden="true"` : html`role="img" aria-label="${label}"`
  return html`<svg class="picture" viewBox="0 0 1 1" ${role}><use href="#picture-${image}"/></svg>`
}

/** A picture that opens the image's alternatives; with an expert, its weight is below. */
export function tile(
  reading: Reading,
  shown: PictureOfImage,
  routed: { readonly layer: number; readonly expert: number } | null,
): Markup {
  const label = `${classNamesOf(reading, shown.labels)}, image ${shown.image}`
  if (routed === null)
    return html`<button class="tile" type="button" popovertarget="${anchor.image(shown.image)}" aria-label="${label}: alternatives">${picture(shown.image)}</button>`
  const weight = shown.layers[routed.layer]?.weights[routed.expert] ?? null
  const width = share(weight ?? 0, 1)
  return html`<button class="tile ${expertClass(routed.expert)}" type="button" popovertarget="${anchor.image(shown.image)}" aria-label="${label}, weight ${fixed(weight, 2)}: alternatives">${picture(shown.image)}<span class="weight"><span>${fixed(weight, 2)}</span><i style="--v:${width}"></i></span></button>`
}

/** Rows of a table; the first cell of each is its heading. */
export interface TableContent {
  readonly caption: string
  readonly heads: readonly Content[]
  readonly rows: readonly (readonly Content[])[]
}

export function table({ caption, heads, rows }: TableContent): Markup {
  return html`<table><caption>${caption}</caption><thead><tr>${heads.map((head, i) => html`<th scope="col"${i === 0 ? html` class="text"` : null}>${head}</th>`)}</tr></thead><tbody>${rows.map(
    ([first, ...cells]) =>
      html`<tr><th scope="row">${first ?? null}</th>${cells.map(cell => html`<td>${cell}</td>`)}</tr>\n`,
  )}</tbody></table>`
}

/** A table that is shown when asked for: the numbers behind a chart. */
export function numbers(content: TableContent, summary = 'The numbers'): Markup {
  return html`<details><summary>${summary}</summary><div class="scroll" tabindex="0" role="region" aria-label="${content.caption}">${table(content)}</div></details>`
}

/** A chart with its heading, the sentence that says what to see, and its numbers. */
export interface FigureContent {
  readonly title: string
  readonly sentence: Content
  readonly body: Content
  readonly after?: Content
  /** The width that it would like to have, in CSS pixels; a line to itself, or a column. */
  readonly width?: number | 'all'
}

export function figure({ title, sentence, body, after = null, width = narrow }: FigureContent): Markup {
  const basis = width === 'all' ? '100%' : `${width}px`
  return html`<figure style="--w:${basis}"><figcaption><h4>${title}</h4><p>${sentence}</p></figcaption>${body}${after}</figure>\n`
}

/** A chart at its own size; one that may be wider than the screen can be scrolled, also with keys. */
export function chart(drawn: Chart, fluid = false): Markup {
  if (fluid) return html`<div class="chart fluid">${drawn.svg}</div>`
  const reach =
    drawn.width > narrow ? html` tabindex="0" role="region" aria-label="${drawn.label}, scrollable"` : null
  return html`<div class="chart"${reach}>${drawn.svg}</div>`
}

/** What the colours of a matrix of lifts mean. */
export function liftLegend(): Markup {
  const texts = ['< ¼', '¼–½', '½–0.8', '≈ 1', '1¼–2', '2–4', '> 4']
  return stepLegend(
    '× chance',
    texts.map((text, step) => [step, text]),
  )
}

/** What some shades mean, in order. */
export function stepLegend(unit: string, steps: readonly (readonly [step: number, text: string])[]): Markup {
  return html`<p class="legend">${steps.map(([step, text]) => html`<i class="d${step}">${text}</i>`)}<span>${unit}</span></p>`
}

/** What the red tick means. */
export function chanceLegend(text: string): Markup {
  return html`<p class="legend"><span><b></b>${text}</span></p>`
}

/** An image's class by name. */
export function classNamed(reading: Reading, index: number): Markup {
  return name(className(reading, index))
}
