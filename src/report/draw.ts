import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { html, type Markup, trusted } from './markup.ts'
import { variables } from './palette.ts'

/** What this file needs to know of an element that linkedom made. */
interface Drawn {
  readonly outerHTML: string
  querySelector(selector: string): { remove(): void } | null
}

/** A chart as SVG, with its size in CSS pixels. Colours are variables of the page. */
export interface Chart {
  readonly svg: Markup
  /** What is seen, for who cannot see it. */
  readonly label: string
  readonly width: number
  readonly height: number
}

/** What all charts share; the rest is Plot's. */
export type ChartOptions = Plot.PlotOptions & { readonly width: number; readonly height: number }

/**
 * Draws with Observable Plot upon linkedom's document: no browser is needed. Plot's own style element is left out, since a
 * page needs it once (`style.ts`); coordinates are written with two decimals.
 */
export function draw(label: string, options: ChartOptions): Chart {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const drawn: Drawn = Plot.plot({ ...options, document, className: 'plot' })
  drawn.querySelector('style')?.remove()
  // Within tags Plot writes only numbers and constants; what users named is between tags.
  const rounded = drawn.outerHTML.replace(/<[^>]*>/g, tag =>
    tag.replace(/-?\d+\.\d{3,}/g, digits => String(Number(Number(digits).toFixed(2)))),
  )
  const opening = html`<svg role="img" aria-label="${label}"`
  return {
    svg: trusted(opening.text + rounded.slice('<svg'.length)),
    label,
    width: options.width,
    height: options.height,
  }
}

const fonts = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'

/** A chart as a file of its own: light, with its colours and its title inside. */
export function standalone({ svg, label, width, height }: Chart): string {
  const colours = variables('light')
  const body = svg.text
    .replace(/^<svg[^>]*>/, '')
    .replace(/var\((--[\w-]+)\)/g, (all, variable: string) => colours.get(variable) ?? all)
  const opening = html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="${fonts}" font-size="11" text-anchor="middle" fill="${colours.get('--ink') ?? '#000000'}"><title>${label}</title><style>text,tspan{white-space:pre}</style><rect width="100%" height="100%" fill="${colours.get('--paper') ?? '#ffffff'}"/>`
  return `${opening.text}${body}\n`
}
