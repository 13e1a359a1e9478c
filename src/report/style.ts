import { expertShades, liftShades, themeStyle } from './palette.ts'

/**
 * The style sheet. Sizes are in rem, so that the reader's own text size counts; the page is one column of at most 70 rem,
 * with the contents at the side where there is room.
 */
export function styleSheet(): string {
  const experts = expertShades.map((_, i) => `.e${i}{--c:var(--e${i});--i:var(--e${i}-ink)}`).join('')
  const lifts = liftShades.map((_, i) => `.d${i}{background:var(--d${i});color:var(--d${i}-ink)}`).join('')
  return `${themeStyle()}\n${experts}\n${lifts}\n${sheet}`
}

const sheet = `
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
body{margin:0;background:var(--paper);color:var(--ink);
  font:400 1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;
  font-variant-numeric:lining-nums;overflow-wrap:break-word;print-color-adjust:exact;-webkit-print-color-adjust:exact}
h1,h2,h3,.standfirst,.caption{font-family:"Iowan Old Style","Palatino Linotype",Palatino,"URW Palladio L",Charter,"Bitstream Charter",Georgia,serif}
h1,h2,h3,h4,p,dl,dd,ol,ul,figure{margin:0}
ol,ul{padding:0;list-style:none}
h1,h2,h3{font-weight:600;line-height:1.15;letter-spacing:-.012em;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:clamp(2rem,1.3rem + 3vw,3.25rem)}
h2{font-size:clamp(1.6rem,1.2rem + 1.6vw,2.25rem)}
h3{font-size:1.35rem}
h4{font-size:1rem;font-weight:650;line-height:1.3}
[hidden]{display:none!important}
a{color:inherit;text-decoration:underline;text-decoration-color:var(--line);text-underline-offset:.18em;text-decoration-thickness:.09em}
a:hover{text-decoration-color:currentColor}
:focus-visible{outline:.16rem solid var(--e0);outline-offset:.14rem;border-radius:.15rem}
b,strong{font-weight:650}
bdi{overflow-wrap:anywhere}
.num,td,th,.tile,.meter-text{font-variant-numeric:tabular-nums lining-nums}
.muted{color:var(--muted)}
.small{font-size:.8125rem;line-height:1.45}
.hidden-text{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap;border:0}
.defs{position:absolute;width:0;height:0;overflow:hidden}
.skip{position:absolute;left:1rem;top:-4rem;padding:.4rem .8rem;background:var(--raised);border:1px solid var(--line);z-index:2}
.skip:focus{top:.6rem}

/* The page and its contents. */
.page{max-width:74rem;margin:0 auto;padding:clamp(1.5rem,4vw,4rem) clamp(1rem,4vw,2.5rem) 6rem}
.contents{margin:2rem 0 0;font-size:.875rem}
.contents>ol{display:flex;flex-wrap:wrap;gap:.35rem 1.5rem}
.contents>ol>li>a{font-weight:600;text-decoration:none}
.contents>ol>li>a:hover{text-decoration:underline}
.contents .chips{display:flex;flex-wrap:wrap;gap:.25rem;margin-top:.35rem}
@media screen and (min-width:86rem){
  .page:has(>.contents){max-width:none;width:min(100%,90rem);display:grid;grid-template-columns:11rem minmax(0,70rem);column-gap:3.5rem;justify-content:center}
  .page:has(>.contents)>*{grid-column:2}
  .contents+header{margin-top:0}
  .page:has(>.contents)>.contents{grid-column:1;grid-row:1/span 9;align-self:start;position:sticky;top:2.5rem;margin:0;max-height:calc(100vh - 5rem);overflow-y:auto;padding:.2rem}
  .contents>ol{flex-direction:column;gap:1.1rem}
}
main>section,.page>section{margin-top:clamp(4rem,9vw,7rem)}
.block{margin-top:3.5rem}
.block>h3{padding-bottom:.6rem;border-bottom:1px solid var(--line)}
.lead{max-width:44rem;margin-top:.75rem}
.kicker{font-size:.8125rem;color:var(--muted);letter-spacing:.02em;margin-bottom:.7rem}
h2+.kicker{margin:.6rem 0 0}
.contents+header{margin-top:2.5rem}
.standfirst{max-width:46rem;margin-top:1.25rem;font-size:clamp(1.1rem,1rem + .5vw,1.3rem);line-height:1.5;text-wrap:pretty}
.notice{max-width:44rem;margin-top:1.5rem;padding:.9rem 1.1rem;border-left:.25rem solid var(--bad);background:var(--faint)}

/* Facts of the run. */
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(46%,10.5rem),1fr));gap:1.1rem 1.5rem;margin-top:2.5rem;padding-top:1.4rem;border-top:1px solid var(--line)}
.facts dt{font-size:.8125rem;color:var(--muted)}
.facts dd{font-size:.9375rem;line-height:1.35;overflow-wrap:anywhere;font-variant-numeric:tabular-nums lining-nums}
.facts .big dd{font-size:1.9rem;line-height:1.15;font-weight:600;letter-spacing:-.02em}
.facts .big small{display:block;font-size:.8125rem;font-weight:400;letter-spacing:0;color:var(--muted);margin-top:.15rem}

/* Experts by number and colour. */
.chip{display:inline-grid;justify-self:start;align-self:start;place-items:center;min-width:1.5em;height:1.5em;padding:0 .3em;border-radius:1em;background:var(--c);color:var(--i);
  font:650 .8125rem/1 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;text-decoration:none;font-variant-numeric:tabular-nums;vertical-align:.05em}
.chip.large{font-size:1.25rem}
.meter{display:block;position:relative;height:.5rem;background:var(--faint);border-radius:.1rem}
.meter>i{position:absolute;inset:0 auto 0 0;width:var(--v);background:var(--c);border-radius:.1rem}
.meter>b{position:absolute;left:var(--t);top:-.22rem;bottom:-.22rem;width:2px;margin-left:-1px;background:var(--bad)}

/* At a glance. */
.glances{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:2.5rem 3.5rem;margin-top:3rem}
.glance h2{font-size:1.35rem;margin-bottom:.4rem}
.glance h2 span{font-family:system-ui,sans-serif;font-size:.875rem;font-weight:400;color:var(--muted);letter-spacing:0;margin-left:.4rem}
.glance ol{margin-top:1.1rem;border-top:1px solid var(--line)}
.glance li{display:grid;grid-template-columns:1.75rem minmax(0,1fr) 5.5rem;gap:.7rem;align-items:start;padding:.6rem 0;border-bottom:1px solid var(--line)}
.glance li>span:nth-child(2){font-size:.9375rem;line-height:1.4}
.glance .meter{margin-top:.3rem}
.glance .meter-text{font-size:.8125rem;text-align:right;display:block}
.sentence::first-letter{text-transform:uppercase}

/* One expert. */
.expert{display:grid;gap:1.25rem 2.5rem;padding:2rem 0;border-bottom:1px solid var(--line);scroll-margin-top:.5rem}
.expert>*{min-width:0}
@media (min-width:56rem){.expert{grid-template-columns:19rem minmax(0,1fr)}}
.expert h4{display:flex;align-items:center;gap:.55rem;font-size:1.0625rem}
.caption{font-size:1.1rem;line-height:1.4;margin-top:.6rem;text-wrap:pretty}
.caption.silent{color:var(--muted);font-style:italic}
.measures{display:grid;gap:.75rem;margin-top:1.1rem;font-size:.8125rem}
.measures dt{display:flex;justify-content:space-between;gap:1rem;color:var(--muted)}
.measures dt b{color:var(--ink)}
.measures .meter{margin-top:.3rem}
.tops{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,17rem),1fr));gap:1rem 2.5rem;margin-top:1.75rem;font-size:.8125rem;line-height:1.35}
.tops h5{margin:0 0 .35rem;font-size:.8125rem;font-weight:400;color:var(--muted)}
.tops li{display:grid;grid-template-columns:minmax(0,1fr) 5.5rem 2.6rem;gap:.75rem;align-items:center;padding:.14rem 0}
.tops li>span:first-child{overflow-wrap:anywhere}
.tops .meter{height:.35rem}
.tops b{font-weight:400;text-align:right;font-variant-numeric:tabular-nums lining-nums}
.tops .meter b{text-align:initial}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(22%,5.15rem),1fr));gap:.75rem .6rem;align-content:start}
.tile{display:block;width:100%;padding:0;border:0;background:none;color:inherit;font:inherit;font-size:.75rem;line-height:1.3;cursor:pointer;text-align:left}
.tile .picture{width:100%;aspect-ratio:1;display:block;border-radius:.2rem;background:var(--faint)}
.tile:hover .picture{outline:.14rem solid var(--c,var(--ink));outline-offset:.1rem}
.tile .weight{display:flex;align-items:center;gap:.3rem;margin-top:.25rem;color:var(--muted)}
.tile .weight i{flex:1;height:.22rem;background:linear-gradient(to right,var(--c) var(--v),var(--faint) var(--v))}
.empty{padding:1.5rem;border:1px dashed var(--line);border-radius:.3rem;color:var(--muted);font-size:.875rem}

/* Figures. */
.figures{display:flex;flex-wrap:wrap;gap:3rem 3.5rem;margin-top:1.5rem}
figure{flex:1 1 var(--w);min-width:min(100%,var(--w));max-width:100%}
figcaption p{margin-top:.3rem;font-size:.875rem;line-height:1.5;color:var(--muted);max-width:38rem;text-wrap:pretty}
figcaption p b{color:var(--ink)}
.chart{margin-top:1rem;overflow-x:auto;overflow-y:hidden}
.chart>svg,.panel svg{display:block;max-width:none}
.chart.fluid>svg{width:100%;height:auto;max-width:42rem}
.plot text,.plot tspan{white-space:pre}
.legend{display:flex;flex-wrap:wrap;align-items:center;gap:.3rem .15rem;margin-top:.9rem;font-size:.75rem;color:var(--muted)}
.legend i{font-style:normal;padding:.1rem .3rem;text-align:center;white-space:nowrap;font-variant-numeric:tabular-nums;border-radius:.12rem}
.legend span{margin-left:.35rem}
.legend span:only-child{margin:0}
.legend b{display:inline-block;width:1.1rem;border-top:2px solid var(--bad);vertical-align:.25em;margin-right:.35rem}
.panels{columns:var(--w) auto;column-gap:3rem;margin-top:1.25rem}
.panel{break-inside:avoid;margin-bottom:1.1rem;overflow-x:auto}
.panel h5,.smalls h5{margin:0 0 .25rem;font-size:.8125rem;font-weight:650;line-height:1.3}
.smalls{display:grid;grid-template-columns:repeat(auto-fill,minmax(5.75rem,1fr));gap:.9rem .75rem;margin-top:1rem}
.smalls>div{display:flex;flex-direction:column;justify-content:flex-end}
.smalls svg{display:block;width:100%;height:auto}
.smalls h5{font-weight:400;font-size:.75rem;line-height:1.2;overflow-wrap:anywhere}
details{margin-top:.9rem;font-size:.875rem}
summary{cursor:pointer;color:var(--muted);width:fit-content}
summary:hover{color:var(--ink)}
.scroll{overflow:auto;max-height:34rem;margin-top:.6rem}
table{border-collapse:collapse;font-size:.8125rem;line-height:1.35}
caption{text-align:left;color:var(--muted);padding-bottom:.4rem}
th,td{padding:.3rem .6rem;text-align:right;vertical-align:middle;border-bottom:1px solid var(--line)}
th:first-child,td:first-child{padding-left:0}
thead th{font-weight:400;color:var(--muted);vertical-align:bottom;background:var(--paper)}
.scroll thead th{position:sticky;top:0}
tbody th{font-weight:400;text-align:left}
td.text,th.text{text-align:left}

/* Routes. */
.filter{margin-top:1.5rem;display:flex;flex-wrap:wrap;gap:.4rem .75rem;align-items:baseline;font-size:.875rem}
.filter[hidden]{display:none}
.filter input{font:inherit;color:inherit;background:var(--raised);border:1px solid var(--muted);border-radius:.25rem;padding:.3rem .55rem;width:min(100%,16rem)}
.routes{width:100%;margin-top:1.5rem;table-layout:fixed}
.routes col.name{width:17%}.routes col.count{width:5rem}.routes col.right{width:6.5rem}.routes col.pictures{width:9.5rem}
.meter.plain{--c:var(--muted);height:.4rem}
.scores{width:min(100%,44rem);margin-top:1.5rem;table-layout:fixed}
.scores col.count{width:4.5rem}.scores col.right{width:5rem}
.scores th{overflow-wrap:anywhere}
.scores td.score{padding-right:0}
:is(.routes,.scores) tbody th[scope=rowgroup]{padding-top:1.6rem;font-weight:650;font-size:.875rem;text-align:left;border-bottom-color:var(--muted)}
#routes tr:target>*,.expert:target{background:var(--faint)}
.routes tr{scroll-margin-top:4rem}
.routes thead th,.scores thead th{overflow-wrap:normal}
.routes th[scope=row]{overflow-wrap:anywhere}
.routes td.bar{text-align:left;padding-inline:.75rem}
.route{display:flex;height:1.15rem;gap:1px;border-radius:.15rem;overflow:hidden}
.route>i{display:grid;place-items:center;min-width:0;overflow:hidden;background:var(--c);color:var(--i);font-style:normal;font-size:.6875rem;font-weight:650;line-height:1;flex:var(--v) 1 0}
.route.none{border:1px dashed var(--line);color:var(--muted);font-size:.75rem;align-items:center;padding:0 .4rem}
.thumbs{display:flex;gap:.25rem}
.thumbs .tile{width:1.75rem}
.cell-name{display:none}
@media screen and (max-width:52rem){
  .routes,.routes tbody{display:block}
  .routes thead,.routes colgroup{display:none}
  .routes tr{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.3rem 1rem;padding:.8rem 0;border-bottom:1px solid var(--line)}
  .routes tr.group{display:block;padding:0}
  .routes th,.routes td{border:0;padding:0!important;text-align:left}
  .routes th[scope=row],.routes td.bar,.routes td.pictures{grid-column:1/-1}
  .routes th[scope=row]{font-weight:600}
  .routes tbody th[scope=rowgroup]{display:block;padding-top:1.6rem!important}
  .routes .cell-name{display:inline;color:var(--muted);margin-right:.35rem}
  .routes td.bar .cell-name{display:block;font-size:.75rem}
  .routes td.pictures:empty{display:none}
}

/* One image and its alternatives. */
[popover]{width:min(40rem,calc(100vw - 2rem));max-height:calc(100dvh - 2rem);overflow:auto;margin:auto;padding:1.5rem;border:1px solid var(--line);border-radius:.5rem;background:var(--raised);color:var(--ink);box-shadow:0 1.5rem 4rem rgb(0 0 0/.25)}
[popover]::backdrop{background:rgb(0 0 0/.35)}
.image header{display:grid;grid-template-columns:7rem minmax(0,1fr) auto;gap:1.25rem;align-items:start}
.image header .picture{width:100%;aspect-ratio:1;border-radius:.25rem}
.image h3{font-size:1.25rem}
.image header p{margin-top:.35rem;font-size:.9375rem;line-height:1.4}
.image table{width:100%;margin-top:1.4rem}
.image thead th{background:none}
.image caption{color:var(--ink);font-weight:650}
.image td .meter{width:4.5rem;margin-left:auto}
.image .weight-cell{display:flex;gap:.6rem;align-items:center;justify-content:flex-end}
.image .weight-cell>span:last-child{min-width:2em}
.image tr.idle td,.image tr.idle .weight-cell{color:var(--muted)}
.close{font:inherit;font-size:.875rem;color:inherit;background:none;border:1px solid var(--line);border-radius:.3rem;padding:.25rem .7rem;cursor:pointer}
.close:hover{border-color:currentColor}
.right{color:var(--good)}.wrong{color:var(--bad)}
.right,.wrong{font-weight:650;white-space:nowrap}
@media screen and (max-width:36rem){
  [popover]{padding:1rem;width:calc(100vw - 1rem)}
  .image header{grid-template-columns:4.5rem minmax(0,1fr) auto;gap:.75rem}
  .image .meter{display:none!important}
  .image th,.image td{padding:.3rem .35rem}
  .glance li{grid-template-columns:1.75rem minmax(0,1fr) 4rem}
  .tops li{grid-template-columns:minmax(0,1fr) 4rem 2.6rem}
}

/* Definitions. */
.definitions{columns:24rem auto;column-gap:3.5rem;margin-top:1.5rem}
.definitions>div{break-inside:avoid;padding-bottom:1.4rem}
.definitions dt{font-weight:650}
.definitions dd{font-size:.9375rem;color:var(--muted);margin-top:.2rem}
.definitions dd b{color:var(--ink);font-weight:400}
footer{margin-top:5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.8125rem;color:var(--muted)}

@page{margin:16mm 14mm}
@media print{
  html{font-size:9.5pt}
  .contents,.skip,.filter,.on-screen,.close{display:none!important}
  .page{display:block;max-width:none;width:auto;padding:0}
  main>section,.page>section{margin-top:2.5rem}
  section.layer,section.routes-section{break-before:page;margin-top:0}
  h2,h3,h4,h5,figcaption{break-after:avoid}
  figure,.expert,.glance li,.routes tr,.definitions>div,.panel{break-inside:avoid}
  .expert{grid-template-columns:16rem minmax(0,1fr);padding:1.2rem 0}
  .gallery{grid-template-columns:repeat(auto-fill,minmax(3.4rem,1fr))}
  .chart,.panel,.scroll{overflow:visible;max-height:none}
  .chart>svg,.panel svg{max-width:100%;height:auto}
  .figures{gap:1.75rem 1.5rem}
  .panels{columns:2;column-gap:1.5rem}
  .tops{grid-template-columns:1fr 1fr;gap:1.5rem}
  .tops li{grid-template-columns:minmax(0,1fr) 3rem 2.3rem;gap:.4rem}
  details:not([open]){display:none}
  .routes col.count{width:4.4rem}.routes col.right{width:4.4rem}.routes col.pictures{width:7.2rem}
  .routes td.bar{padding-inline:.4rem}
  .thumbs .tile{width:1.5rem}
  a{text-decoration:none}
  .block{margin-top:2rem}
}
`
