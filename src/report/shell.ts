import { head } from './head.ts'
import { type Content, html, type Markup } from './markup.ts'

/** What a page without a script consists of. */
export interface ShellContent {
  readonly title: string
  /** Above the title: what kind of page this is. */
  readonly kicker: string
  readonly body: Content
}

/** A page of its own: nothing is loaded from anywhere and no script runs. */
export function shell({ title, kicker, body }: ShellContent): Markup {
  return html`<!doctype html>
<html lang="en">
${head({ title, generator: 'Moiety', style: extra })}
<body>
<div class="page">
<header><p class="kicker">${kicker}</p><h1>${title}</h1></header>
<main>
${body}
</main>
</div>
</body>
</html>
`
}

/** What only these pages have. */
const extra = `
.asked{display:grid;gap:1.5rem 2.5rem;padding:2.5rem 0;border-bottom:1px solid var(--line)}
.asked>*{min-width:0}
@media (min-width:48rem){.asked{grid-template-columns:11rem minmax(0,1fr)}}
.asked>img{width:100%;max-width:11rem;border-radius:.3rem;background:var(--faint)}
.asked h2{font-size:1.25rem}
.asked h3{font-size:.9375rem;margin-top:1.5rem}
.seen{padding:2.5rem 0;border-bottom:1px solid var(--line)}
.seen>img{display:block;max-width:100%;max-height:90vh;margin-top:1rem;border-radius:.3rem;background:var(--faint)}
.seen h2{font-size:1.25rem;overflow-wrap:anywhere}
.meter.plain{--c:var(--muted)}
.bars{display:grid;gap:.5rem;margin-top:.75rem;max-width:34rem}
.bars li{display:grid;grid-template-columns:minmax(0,14rem) minmax(3rem,1fr) 4rem;gap:.75rem;align-items:center;font-size:.9375rem}
.bars li>span:last-child{text-align:right;font-variant-numeric:tabular-nums}
.near{display:grid;grid-template-columns:repeat(auto-fill,minmax(5rem,1fr));gap:.9rem .7rem;margin-top:.75rem}
.near img{width:100%;display:block;border-radius:.2rem;background:var(--faint)}
.near li{font-size:.75rem;line-height:1.35}
.kinds{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;margin-top:.9rem;font-size:.8125rem;color:var(--muted)}
.kinds li{display:flex;align-items:center;gap:.45rem}
.kinds svg{flex:none}
.wide-table{overflow-x:auto;margin-top:1.25rem}
.wide-table th,.wide-table td{white-space:nowrap}
.wide-table bdi{overflow-wrap:normal}
`
