import { htmlText, visible } from '../base/escaping.ts'
import type { PaperChart } from './paper-chart.ts'

/** Text that is markup already; made only by {@link html} and {@link trusted}. */
export class Markup {
  readonly text: string
  /** The charts that stand in it, in order, as they are drawn for paper. */
  readonly charts: readonly PaperChart[]

  constructor(text: string, charts: readonly PaperChart[] = []) {
    this.text = text
    this.charts = charts
  }
}

/** What may stand in a template: text is escaped, nothing is left out, a number that is none becomes a dash. */
export type Content = string | number | Markup | null | readonly Content[]

/**
 * Markup with everything that is put into it escaped, for content and quoted attributes alike: whatever is a class's name
 * stays a name.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const text = strings.map((part, i) => part + written(values[i] ?? null)).join('')
  return new Markup(text, values.flatMap(chartsIn))
}

/** Markup that was made elsewhere, by this program. */
export function trusted(text: string, charts: readonly PaperChart[] = []): Markup {
  return new Markup(text, charts)
}

/** The same with charts that only paper has: what the page itself draws with elements of HTML. */
export function withCharts(markup: Markup, charts: readonly Markup[]): Markup {
  return new Markup(markup.text, [...markup.charts, ...charts.flatMap(chartsIn)])
}

function chartsIn(content: Content): readonly PaperChart[] {
  if (content instanceof Markup) return content.charts
  return Array.isArray(content) ? content.flatMap((one: Content) => chartsIn(one)) : []
}

function written(value: Content): string {
  if (value === null) return ''
  if (typeof value === 'string') return htmlText(value)
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : '–'
  if (value instanceof Markup) return value.text
  return value.map(written).join('')
}

/**
 * A name from a user's files as it can be shown: characters that are not seen, or would turn the writing direction of what
 * follows, are escapes.
 */
export function shown(name: string): string {
  const clean = visible(name).replaceAll('_', ' ').trim()
  return clean === '' ? '(no name)' : clean
}

/** A name that may be written in either direction, kept from turning its surroundings. */
export function name(text: string): Markup {
  return /^[ -~]*$/.test(text) ? html`${text}` : html`<bdi>${text}</bdi>`
}

/** Letters that are written from right to left, with the spaces between them. */
const rightToLeft =
  /([\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+(?:[\s-]+[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+)*)/u

/** A sentence with names in it, of which none changes the direction of the figures next to it. */
export function prose(text: string): Markup {
  const parts = text.split(rightToLeft)
  return html`${parts.map((part, i) => (i % 2 === 1 ? html`<bdi>${part}</bdi>` : part))}`
}

/** Cut to a width in letters of the Latin alphabet; letters of East Asia and emoji count twice. */
export function fitted(text: string, width: number): string {
  const letters = Array.from(text)
  const wide = (letter: string): number => ((letter.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1)
  let used = 0
  const fits = letters.findIndex(letter => {
    used += wide(letter)
    return used > width
  })
  if (fits === -1) return text
  let kept = ''
  used = 1
  for (const letter of letters) {
    used += wide(letter)
    if (used > width) break
    kept += letter
  }
  return `${kept.trimEnd()}…`
}
