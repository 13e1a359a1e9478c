import type { LayerFindings } from '../analysis/findings.ts'
import { amount, fixed, list, parameters, percent, whole } from './figures.ts'
import { type Content, html, type Markup, name, prose, shown } from './markup.ts'
import { chip, meter } from './parts.ts'
import { anchor, type Reading } from './reading.ts'
import { layerSummary } from './sentences.ts'
import type { TaskPage } from './task-page.ts'

/** What was analysed, what it reaches, and every expert in one line. */
export function headerSection({ findings }: Reading, page: TaskPage): Markup {
  const { run, data, loss, layers } = findings
  const { split, images } = data
  return html`<header id="top">
<p class="kicker">A report by Moiety on ${name(shown(data.title))}</p>
<h1>${page.title} in ${name(shown(run.name))}</h1>
<p class="standfirst">${standfirst(findings, page)}</p>
${images === 0 ? html`<p class="notice">The ${split} split has no images, so nothing could be measured. What would need images is left blank.</p>` : null}
<dl class="facts">
${page.results}
${fact('Loss', images === 0 ? '–' : fixed(loss, 3))}
${fact('Recipe', run.recipe === null ? '–' : name(shown(run.recipe)))}
${fact('Data', name(shown(data.title)))}
${fact('Split', `${split}, ${countedImages(images)}`)}
${page.facts}
${fact('Classes', classes(data.classes.length, data.superclasses?.length ?? 0))}
${fact('Model', shown(run.model))}
${fact('Parameters', html`${parameters(run.parameters)}, ${parameters(run.activeParameters)} of them active for an image`)}
${run.multiplyAdds === null ? null : fact('Multiply–adds', `${amount(run.multiplyAdds)} for an image`)}
${fact('Trained for', `${whole(run.epochs)} epoch${run.epochs === 1 ? '' : 's'}, ${whole(run.step)} steps`)}
${run.which === undefined ? null : fact('Checkpoint', shown(run.which))}
${fact('Seed', String(run.seed))}
${fact('Moiety', run.moiety)}
</dl>
${layers.length === 0 ? null : html`<div class="glances">${layers.map((layer, index) => glance(page, layer, index))}</div>`}
</header>`
}

function standfirst({ run, data, layers }: Reading['findings'], { reaches }: TaskPage): string {
  const model = shown(run.model).split(',')[0] ?? ''
  const found = `${model}, trained on ${shown(data.title)}${data.images === 0 ? '' : `, ${reaches}`}.`
  if (layers.length === 0)
    return `${found} It has no mixture of experts, so there is no division of work to show; what follows are its results for every class.`
  const experts = layers.reduce((total, { count }) => total + count, 0)
  const [first] = layers
  const units = list([...new Set(layers.map(unitOf))])
  const inside =
    layers.length === 1 && first !== undefined
      ? `Inside, a gate lets ${first.k} of ${first.count} experts compute each ${units}.`
      : `Inside, ${layers.length} layers hold ${experts} experts, of which gates choose a few for each ${units}.`
  return `${found} ${inside} This page shows what each expert is given, and what becomes of it.`
}

/** What a gate routes. */
export function unitOf({ inputs }: Pick<LayerFindings, 'inputs'>): string {
  return inputs === 1 ? 'image' : 'level of an image'
}

export function countedImages(count: number): string {
  return `${whole(count)} image${count === 1 ? '' : 's'}`
}

function classes(count: number, superclasses: number): string {
  return superclasses === 0 ? whole(count) : `${whole(count)} in ${whole(superclasses)} superclasses`
}

/** A result in large figures, with what it is about below. */
export function result(title: string, value: string, note: string): Markup {
  return html`<div class="big"><dt>${title}</dt><dd>${value}<small>${note}</small></dd></div>`
}

export function fact(title: string, value: Content): Markup {
  return html`<div><dt>${title}</dt><dd>${value}</dd></div>`
}

/** One layer in two sentences and its experts in one line each. */
function glance(page: TaskPage, layer: LayerFindings, index: number): Markup {
  const most = Math.max(1 / layer.count, ...layer.share)
  const rows = layer.share.map((share, expert) => {
    const { text, muted } = page.expertLine(layer, index, expert)
    const target = page.hasExperts ? anchor.expert(index, expert) : null
    return html`<li>${chip(expert, target)}<span class="sentence${muted ? ' muted' : ''}">${prose(shown(text))}</span><span>${meter(expert, share, most, 1 / layer.count)}<span class="meter-text">${percent(share)}</span></span></li>`
  })
  return html`<section class="glance"><h2><a href="#${anchor.layer(index)}">${shown(layer.name)}</a><span>${layer.count} expert${layer.count === 1 ? '' : 's'}, ${layer.k} ${layer.inputs === 1 ? 'an image' : 'a level'}</span></h2>
<p class="small">${layerSummary(layer, page.explained(layer))}</p>
<ol>${rows}</ol></section>`
}
