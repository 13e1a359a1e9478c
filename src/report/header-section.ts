import type { LayerFindings } from '../analysis/findings.ts'
import { fixed, parameters, percent, whole } from './figures.ts'
import { type Content, html, type Markup, name, prose, shown } from './markup.ts'
import { chip, meter } from './parts.ts'
import { anchor, type Reading } from './reading.ts'
import { layerSummary } from './sentences.ts'

/** What was looked at, what it reaches, and every expert in one line. */
export function headerSection({ findings }: Reading): Markup {
  const { run, data, accuracy, layers } = findings
  const what = layers.length === 0 ? 'Accuracy, class by class' : 'Who does what'
  return html`<header id="top">
<p class="kicker">A report by Moiety on ${name(shown(data.title))}</p>
<h1>${what} in ${name(shown(run.name))}</h1>
<p class="standfirst">${standfirst(findings)}</p>
${data.images === 0 ? html`<p class="notice">The ${data.split} split has no images, so nothing could be measured. What would need images is left blank.</p>` : null}
<dl class="facts">
${fact('Top-1 accuracy', data.images === 0 ? '–' : percent(accuracy.top1), `by chance ${percent(accuracy.chance)}`)}
${fact('Top-5 accuracy', data.images === 0 ? '–' : percent(accuracy.top5), `by chance ${percent(Math.min(1, 5 * accuracy.chance))}`)}
${plain('Cross-entropy', data.images === 0 ? '–' : fixed(accuracy.loss, 3))}
${plain('Recipe', run.recipe === null ? '–' : name(shown(run.recipe)))}
${plain('Data', name(shown(data.title)))}
${plain('Split', `${data.split}, ${images(data.images)} of ${data.size}\u202f×\u202f${data.size}`)}
${plain('Classes', superclasses(data.classes.length, data.superclasses?.length ?? 0))}
${plain('Model', shown(run.model))}
${plain('Parameters', html`${parameters(run.parameters)}, ${parameters(run.activeParameters)} of them at work for an image`)}
${plain('Trained for', `${whole(run.epochs)} epochs, ${whole(run.step)} steps`)}
${plain('Seed', String(run.seed))}
${plain('Moiety', run.moiety)}
</dl>
${layers.length === 0 ? null : html`<div class="glances">${layers.map(glance)}</div>`}
</header>`
}

function standfirst({ run, data, accuracy, layers }: Reading['findings']): string {
  const model = shown(run.model).split(',')[0] ?? ''
  const accurate =
    data.images === 0
      ? `${model}, trained on ${shown(data.title)}.`
      : `${model}, trained on ${shown(data.title)}, names ${percent(accuracy.top1)} of ${images(data.images)} right, where chance is ${percent(accuracy.chance)}.`
  if (layers.length === 0)
    return `${accurate} It has no mixture of experts, so there is no division of work to show; what follows is its accuracy for every class.`
  const experts = layers.reduce((total, { count }) => total + count, 0)
  const inside =
    layers.length === 1
      ? `Inside, a gate lets ${workers(layers[0])} compute each image.`
      : `Inside, ${layers.length} layers hold ${experts} experts, of which gates choose a few for each image.`
  return `${accurate} ${inside} This page shows which images each expert is given, and what becomes of them.`
}

function workers(layer: LayerFindings | undefined): string {
  return layer === undefined ? 'experts' : `${layer.k} of ${layer.count} experts`
}

function images(count: number): string {
  return `${whole(count)} image${count === 1 ? '' : 's'}`
}

function superclasses(classes: number, coarse: number): string {
  return coarse === 0 ? whole(classes) : `${whole(classes)} in ${whole(coarse)} superclasses`
}

function fact(title: string, value: string, beside: string): Markup {
  return html`<div class="big"><dt>${title}</dt><dd>${value}<small>${beside}</small></dd></div>`
}

function plain(title: string, value: Content): Markup {
  return html`<div><dt>${title}</dt><dd>${value}</dd></div>`
}

/** One layer in two sentences and its experts in one line each. */
function glance(layer: LayerFindings, index: number): Markup {
  const most = Math.max(1 / layer.count, ...layer.share)
  const rows = layer.experts.map(({ expert, caption, silence }) => {
    const text = caption ?? silence ?? 'no caption'
    const share = layer.share[expert] ?? 0
    return html`<li>${chip(expert, anchor.expert(index, expert))}<span class="sentence${caption === null ? ' muted' : ''}">${prose(shown(text))}</span><span>${meter(expert, share, most, 1 / layer.count)}<span class="meter-text">${percent(share)}</span></span></li>`
  })
  return html`<section class="glance"><h2><a href="#${anchor.layer(index)}">${shown(layer.name)}</a><span>${layer.count} expert${layer.count === 1 ? '' : 's'}, ${layer.k} an image</span></h2>
<p class="small">${layerSummary(layer)}</p>
<ol>${rows}</ol></section>`
}
