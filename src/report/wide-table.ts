import { html, type Markup } from './markup.ts'
import { type TableContent, table } from './parts.ts'

/** A table that may be wider than the screen: it scrolls, also with keys. */
export function wideTable(label: string, content: TableContent): Markup {
  return html`<div class="wide-table" tabindex="0" role="region" aria-label="${label}">${table(content)}</div>`
}

export const wideTableStyle = `
.wide-table{overflow-x:auto;margin-top:1rem}
.wide-table th,.wide-table td{white-space:nowrap}
.wide-table :is(th,td):first-child{min-width:7rem;white-space:normal;overflow-wrap:anywhere}
`
