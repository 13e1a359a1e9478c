import { parseHTML } from 'linkedom'
import { withSigns } from './greyscale.ts'
import { textWidth } from './lettering.ts'
import { html } from './markup.ts'
import { variables } from './palette.ts'
import type { SvgElement } from './svg-element.ts'

/**
 * Charts for papers: black on white, with their legend inside, text of at least 7 pt, and signs besides colours. A pixel is a
 * 96th of an inch, so that text has on paper the size that it is drawn with.
 */

/** Widths of one and of two columns, in millimetres. */
export const columnWidths = [84, 174] as const

/** Millimetres as CSS pixels. */
export function pixels(millimetres: number): number {
  return (millimetres * 96) / 25.4
}

/** 7 pt, and a little more so that rounding cannot go below. */
const leastFont = 9.4
const legendFont = 10
const rowHeight = 16

/** An entry of a legend: a sign of at most 24 × 12 pixels with its text, or text alone. */
export interface LegendEntry {
  readonly text: string
  /** SVG with the colours' variables, drawn from (0, 0). */
  readonly sign?: { readonly svg: string; readonly width: number }
}

/** A filled rectangle in a legend. */
export function swatch(colour: string, text: string): LegendEntry {
  return { text, sign: { svg: `<rect width="20" height="10" y="1" fill="${colour}"/>`, width: 20 } }
}

/** A line in a legend. */
export function stroke(colour: string, text: string, dash?: string): LegendEntry {
  const dashed = dash === undefined ? '' : ` stroke-dasharray="${dash}"`
  const line = `<g aria-label="line"><path d="M0,6L24,6" fill="none" stroke="${colour}" stroke-width="2"${dashed}/></g>`
  return { text, sign: { svg: line, width: 24 } }
}

/** An upright line in a legend, as ticks are. */
export function upright(colour: string, text: string): LegendEntry {
  return {
    text,
    sign: { svg: `<path d="M4,0L4,12" fill="none" stroke="${colour}" stroke-width="2"/>`, width: 8 },
  }
}

/** A sign drawn by Plot, see `sign`; 16 pixels wide. */
export function drawnSign(svg: string, text: string): LegendEntry {
  const inside = svg.replace(/^<svg[^>]*>/, '').replace(/<\/svg>$/, '')
  return { text, sign: { svg: `<g transform="translate(0,-2)">${inside}</g>`, width: 16 } }
}

/**
 * A drawing of Plot as a file of its own.
 *
 * @param drawn - an SVG element with colours as variables
 */
export function onPaper(label: string, drawn: string, legend: readonly LegendEntry[]): string {
  const [, width = 0, height = 0] = (/viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(drawn) ?? []).map(Number)
  const below = legendRows(legend, width)
  const total = height + below.length * rowHeight + (below.length === 0 ? 0 : 6)
  const inside = drawn.replace(/^<svg[^>]*>/, '').replace(/<\/svg>$/, '')
  const rows = below.map((row, i) => `<g transform="translate(0,${height + 6 + i * rowHeight})">${row}</g>`)
  const { document } = parseHTML(
    `<svg font-size="11">${inside}<g font-size="${legendFont}" text-anchor="start" aria-label="legend">${rows.join('')}</g></svg>`,
  )
  const root: SvgElement | null = document.querySelector('svg')
  if (root === null) throw new Error('the drawing has no SVG element')
  for (const element of root.querySelectorAll('[font-size]'))
    if (Number.parseFloat(element.getAttribute('font-size') ?? '') < leastFont)
      element.setAttribute('font-size', String(leastFont))
  for (const title of root.querySelectorAll('title')) title.remove()
  withSigns(root)
  const colours = new Map([...variables('light'), ['--paper', '#ffffff'], ['--ink', '#000000']])
  const body = root.innerHTML
    .replace(/var\((--[\w-]+)\)/g, (all, variable: string) => colours.get(variable) ?? all)
    .replaceAll('currentColor', '#000000')
  const millimetres = (value: number): string => `${Number(((value * 25.4) / 96).toFixed(2))}mm`
  const opening = html`<svg xmlns="http://www.w3.org/2000/svg" width="${millimetres(width)}" height="${millimetres(total)}" viewBox="0 0 ${width} ${total}" role="img" font-family="${fonts}" font-size="11" text-anchor="middle" fill="#000000"><title>${label}</title><rect width="${width}" height="${total}" fill="#ffffff"/>`
  return `${opening.text}${body}</svg>\n`
}

const fonts = 'Helvetica, Arial, "Liberation Sans", "DejaVu Sans Condensed", sans-serif'

/** Entries in as many rows as they need, each as SVG from (0, 0); text alone goes on in the next row. */
function legendRows(legend: readonly LegendEntry[], width: number): string[] {
  const rows: string[][] = []
  let used = Number.POSITIVE_INFINITY
  const place = (svg: string, needed: number): void => {
    if (used + needed > width) {
      rows.push([])
      used = 4
    }
    rows.at(-1)?.push(`<g transform="translate(${used.toFixed(1)},0)">${svg}</g>`)
    used += needed + 12
  }
  for (const { text, sign } of legend) {
    if (sign === undefined)
      for (const line of broken(text, width - 8)) place(words(line, 0), textWidth(line, legendFont))
    else place(sign.svg + words(text, sign.width + 4), sign.width + 4 + textWidth(text, legendFont))
  }
  return rows.map(row => row.join(''))
}

function words(text: string, x: number): string {
  return html`<text x="${x}" y="9.5">${text}</text>`.text
}

/** A text in lines of at most a width; a word that is wider stands alone. */
function broken(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && textWidth(`${last} ${word}`, legendFont) <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
