import type { DetectorFindings, DetectorLayerFindings } from '../../analysis/detection/findings.ts'
import type { PictureOfScene } from '../../analysis/detection/scene-pictures.ts'
import { fixed, whole } from '../figures.ts'
import { head } from '../head.ts'
import { trainingFigure } from '../layer-section.ts'
import { html, type Markup, name, shown } from '../markup.ts'
import { table } from '../parts.ts'
import { detectorDefinitions } from './definitions.ts'
import { describeLayer, layerWords, objectsWords, precision } from './detection-words.ts'
import { detectorHeader, layerAnchor } from './header.ts'
import { precisionFigure, precisionStyle, statNames } from './precision-table.ts'
import { sceneStore, scenesFigure, scenesStyle } from './scenes-section.ts'
import { areaFigure, classFigure, levelFigure, sizeFigure, sizesStyle, testsFigure } from './size-figures.ts'

/**
 * `report.html` of a detector: everything that was found about it as one file, which needs nothing beside it. The same
 * findings and scenes give the same bytes.
 *
 * @param scenes - pictures of `findings.scenes`, with what was found in them
 * @returns HTML, to be written as UTF-8
 */
export function renderDetectorReport(findings: DetectorFindings, scenes: readonly PictureOfScene[]): string {
  return html`<!doctype html>
<html lang="en">
${head({
  title: `${shown(findings.run.name)}: who finds what`,
  generator: `Moiety ${findings.run.moiety}`,
  style: sizesStyle + precisionStyle + scenesStyle,
})}
<body>
<a class="skip" href="#main">Skip to the layers</a>
${sceneStore(scenes)}
<div class="page">
${contents(findings)}
${detectorHeader(findings)}
<main id="main">
${findings.layers.map((layer, index) => layerSection(findings, scenes, layer, index))}
${findings.layers.length === 0 ? plainScenes(findings, scenes) : null}
${categories(findings)}
${detectorDefinitions(findings)}
</main>
<footer>Made by Moiety ${findings.run.moiety} from report.json, which holds every number of this page.</footer>
</div>
</body>
</html>
`.text
}

function contents({ layers }: DetectorFindings): Markup {
  const items = layers.map(
    (layer, index) => html`<li><a href="#${layerAnchor(index)}">${name(shown(layer.name))}</a></li>`,
  )
  return html`<nav class="contents" aria-label="Contents"><ol><li><a href="#top">Overview</a></li>${items}<li><a href="#classes">Classes</a></li><li><a href="#definitions">Measures</a></li></ol></nav>`
}

function layerSection(
  findings: DetectorFindings,
  scenes: readonly PictureOfScene[],
  layer: DetectorLayerFindings,
  index: number,
): Markup {
  const { data } = findings
  const id = layerAnchor(index)
  const choice = layer.count > 1
  const seen = `Boxes are what the network finds with a score of at least ${fixed(findings.scenes.score, 2)}; colour and number are those of the expert that weighs most at the box’s level. Below each picture: the same for every level. The scenes are those in which objects of different experts differ most in size.`
  return html`<section class="layer" id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name(shown(layer.name))}</h2>
<p class="kicker">${describeLayer(layer)}; ${objectsWords(layer)}</p>
<p class="lead">${layerWords(layer)}</p>
${choice ? block(index, 'sizes', 'Who is given which sizes', [sizeFigure(layer), levelFigure(layer), areaFigure(layer, data), testsFigure(layer)]) : null}
${
  choice && scenes.length > 0
    ? html`<section class="block" aria-labelledby="scenes-${index}"><h3 id="scenes-${index}">Scenes in which one sees it</h3><p class="lead small muted">${seen}</p>${scenesFigure(scenes, data.classes, layer, index)}</section>\n`
    : null
}
${block(index, 'precision', 'What the experts can do', [precisionFigure(findings, layer), trainingFigure(layer)])}
${choice ? block(index, 'classes', 'Who is given which classes', [classFigure(layer, data)]) : null}
</section>
`
}

function block(index: number, id: string, title: string, figures: readonly (Markup | null)[]): Markup | null {
  return figures.every(one => one === null)
    ? null
    : html`<section class="block" aria-labelledby="${id}-${index}"><h3 id="${id}-${index}">${title}</h3><div class="figures">${figures}</div></section>\n`
}

/** Of a detector without a mixture: what it finds, in one colour. */
function plainScenes(
  { data, scenes: { score } }: DetectorFindings,
  scenes: readonly PictureOfScene[],
): Markup | null {
  return scenes.length === 0
    ? null
    : html`<section aria-labelledby="scenes-title"><h2 id="scenes-title">Scenes</h2><p class="lead small muted">What the network finds with a score of at least ${fixed(score, 2)}.</p>${scenesFigure(scenes, data.classes, null, 0)}</section>`
}

function categories({ data, stats, perCategory }: DetectorFindings): Markup {
  const rows = perCategory.map(one => [
    name(shown(data.classes[one.class] ?? '')),
    whole(one.objects),
    ...statNames.map(stat => precision(one[stat])),
  ])
  return html`<section id="classes" aria-labelledby="classes-title"><h2 id="classes-title">Classes</h2>
<p class="lead small muted">COCO’s twelve numbers of the network as trained, class by class. A dash is where there is no object.</p>
<div class="wide-table">${table({
    caption: 'AP and AR',
    heads: ['Class', 'objects', ...statNames],
    rows: [
      [
        'all',
        whole(data.perSize.reduce((a, b) => a + b, 0)),
        ...statNames.map(stat => precision(stats[stat])),
      ],
      ...rows,
    ],
  })}</div></section>`
}
