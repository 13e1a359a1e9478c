import type { DetectorFindings, DetectorLayerFindings } from '../../analysis/detection/findings.ts'
import { fixed, parameters, percent, whole } from '../figures.ts'
import { type Content, html, type Markup, name, shown } from '../markup.ts'
import { chip, meter } from '../parts.ts'
import { expertWords, layerWords, precision, sizeWords } from './detection-words.ts'

/** Where a layer's part of the page is. */
export function layerAnchor(index: number): string {
  return `layer-${index}`
}

/** What was looked at, what it finds, and every expert in one line. */
export function detectorHeader(findings: DetectorFindings): Markup {
  const { run, data, stats, loss, layers } = findings
  const [small, medium] = data.sizes
  const [canvas] = data.canvases
  const sizes = data.perSize.map((count, size) => `${whole(count)} ${sizeWords[size] ?? ''}`).join(', ')
  return html`<header id="top">
<p class="kicker">A report by Moiety on ${name(shown(data.title))}</p>
<h1>${layers.length === 0 ? 'What is found' : 'Who finds what'} in ${name(shown(run.name))}</h1>
<p class="standfirst">${standfirst(findings)}</p>
<dl class="facts">
${big('AP', precision(stats.AP), 'IoU 0.50 to 0.95')}
${big('AP50', precision(stats.AP50), 'IoU 0.50')}
${big('AP small', precision(stats.APs), `area below ${fixed(small, 0)}²`)}
${big('AP medium', precision(stats.APm), `${fixed(small, 0)}² to ${fixed(medium, 0)}²`)}
${big('AP large', precision(stats.APl), `from ${fixed(medium, 0)}²`)}
${plain('Recipe', run.recipe === null ? '–' : name(shown(run.recipe)))}
${plain('Data', name(shown(data.title)))}
${plain('Split', `${data.split}, ${whole(data.images)} images`)}
${plain('Canvas', canvas === undefined ? '–' : data.canvases.map(([height, width]) => `${height}\u202f×\u202f${width}`).join(' or '))}
${plain('Objects', `${sizes}${data.crowds === 0 ? '' : `, and ${whole(data.crowds)} crowds`}`)}
${(data.changes ?? []).map(({ measure, text }) => plain(`Changes ${measure}`, shown(text)))}
${plain('Classes', whole(data.classes.length))}
${plain('Model', shown(run.model))}
${plain('Parameters', html`${parameters(run.parameters)}, ${parameters(run.activeParameters)} of them at work for an input`)}
${plain('Loss', fixed(loss, 3))}
${plain('Trained for', `${whole(run.epochs)} epoch${run.epochs === 1 ? '' : 's'}, ${whole(run.step)} steps`)}
${plain('Seed', String(run.seed))}
${plain('Moiety', run.moiety)}
</dl>
${layers.length === 0 ? null : html`<div class="glances">${layers.map(glance)}</div>`}
</header>`
}

function standfirst({ run, data, stats, layers }: DetectorFindings): string {
  const model = shown(run.model).split(',')[0] ?? ''
  const found = `${model}, trained on ${shown(data.title)}, reaches an AP of ${precision(stats.AP)} on ${whole(data.images)} images of the ${data.split} split.`
  if (layers.length === 0)
    return `${found} It has no mixture of experts, so there is no division of work to show; what follows is what it finds, class by class.`
  const units = layers.some(({ inputs }) => inputs > 1)
    ? 'A gate sends each level of each image’s feature pyramid to a few experts.'
    : 'A gate sends each image to a few experts.'
  return `${found} ${units} This page shows which sizes, levels and classes each expert is given, and what it finds alone.`
}

function big(title: string, value: string, beside: string): Markup {
  return html`<div class="big"><dt>${title}</dt><dd>${value}<small>${beside}</small></dd></div>`
}

function plain(title: string, value: Content): Markup {
  return html`<div><dt>${title}</dt><dd>${value}</dd></div>`
}

function glance(layer: DetectorLayerFindings, index: number): Markup {
  const most = Math.max(1 / layer.count, ...layer.share)
  const unit = layer.inputs === 1 ? 'an image' : 'a level'
  const rows = layer.share.map(
    (share, expert) =>
      html`<li>${chip(expert)}<span>${expertWords(layer, expert)}</span><span>${meter(expert, share, most, 1 / layer.count)}<span class="meter-text">${percent(share)}</span></span></li>`,
  )
  return html`<section class="glance"><h2><a href="#${layerAnchor(index)}">${shown(layer.name)}</a><span>${layer.count} expert${layer.count === 1 ? '' : 's'}, ${layer.k} ${unit}</span></h2>
<p class="small">${layerWords(layer)}</p>
<ol>${rows}</ol></section>`
}
