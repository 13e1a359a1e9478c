import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { html, type Markup, trusted } from './markup.ts'
import { type LegendEntry, onPaper } from './paper.ts'
import type { PaperChart } from './paper-chart.ts'

/** What this file needs to know of an element that linkedom made. */
interface Drawn {
  readonly outerHTML: string
  querySelector(selector: string): { remove(): void } | null
}

/** A chart as SVG, with its size in CSS pixels. Colours are variables of the page. */
export interface Chart {
  /** Carries the chart for paper, so that a page knows every chart that stands in it. */
  readonly svg: Markup
  /** What is seen, for who cannot see it. */
  readonly label: string
  readonly width: number
  readonly height: number
}

/** What a chart is besides its marks. */
export interface ChartFacts extends Omit<PaperChart, 'paper'> {
  /** What colours and signs mean, where the chart itself does not say it; on a page legends stand below charts. */
  readonly legend?: readonly LegendEntry[]
}

/** What all charts share; the rest is Plot's. */
export type ChartOptions = Plot.PlotOptions & { readonly width: number; readonly height: number }

/**
 * Draws with Observable Plot upon linkedom's document: no browser is needed.
 *
 * @param layout - the options of Plot, or what gives them for a width in CSS pixels, null on a page; a layout that does not
 *   depend on the width is widened or narrowed for paper
 */
export function draw(
  facts: ChartFacts,
  layout: ChartOptions | ((width: number | null) => ChartOptions),
): Chart {
  const options = typeof layout === 'function' ? layout(null) : layout
  const { label, legend = [] } = facts
  const paper = (width: number): string =>
    onPaper(label, plotted(typeof layout === 'function' ? layout(width) : { ...options, width }), legend)
  const opening = html`<svg role="img" aria-label="${label}"`
  return {
    svg: trusted(opening.text + plotted(options).slice('<svg'.length), [{ ...facts, paper }]),
    label,
    width: options.width,
    height: options.height,
  }
}

/** A sign alone, for a legend. */
export function sign(label: string, marks: Plot.Markish[]): Markup {
  const side = { axis: null, domain: [0, 1] } as const
  const options = { width: 16, height: 16, margin: 0, x: side, y: side, marks }
  const opening = html`<svg role="img" aria-label="${label}"`
  return trusted(opening.text + plotted(options).slice('<svg'.length))
}

/** Plot's own style element is left out, since a page needs it once (`style.ts`); coordinates are written with two decimals. */
function plotted(options: ChartOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const drawn: Drawn = Plot.plot({ ...options, document, className: 'plot' })
  drawn.querySelector('style')?.remove()
  // Within tags Plot writes only numbers and constants; what users named is between tags.
  return drawn.outerHTML.replace(/<[^>]*>/g, tag =>
    tag.replace(/-?\d+\.\d{3,}/g, digits => String(Number(Number(digits).toFixed(2)))),
  )
}
