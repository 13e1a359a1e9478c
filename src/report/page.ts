import type { Pictures } from '../analysis/analysed.ts'
import type { Findings } from '../analysis/findings.ts'
import { answersAnchor } from './answers-section.ts'
import { definitionsSection } from './definitions-section.ts'
import { head } from './head.ts'
import { headerSection } from './header-section.ts'
import { layerSection } from './layer-section.ts'
import { learningAnchor, learningOf, learningSection } from './learning-section.ts'
import { html, type Markup, name, shown, trusted } from './markup.ts'
import type { PaperChart } from './paper-chart.ts'
import { chip } from './parts.ts'
import { anchor, type Reading, readingOf } from './reading.ts'
import { routesSection } from './routes-section.ts'
import { script, scriptHash } from './script.ts'
import type { TaskPage } from './task-page.ts'
import { taskPage } from './task-pages.ts'

/**
 * `report.html`: everything that was found about a run in one self-contained file. The same findings and
 * pictures give the same bytes.
 *
 * @param pictures - of the task; one that is missing is left out
 * @returns HTML, to be written as UTF-8
 */
export function renderReport(findings: Findings, pictures: Pictures): string {
  return reportPage(findings, pictures).text
}

/** Every chart of `report.html`, in its order, as documents need them; see {@link chartFiles}. */
export function reportCharts(findings: Findings): readonly PaperChart[] {
  return reportPage(findings, null).charts
}

function reportPage(findings: Findings, pictures: Pictures): Markup {
  const images = pictures !== null && 'images' in pictures ? pictures.images : []
  const reading = readingOf(findings, images)
  const page = taskPage(reading, pictures)
  return html`<!doctype html>
<html lang="en">
${head({
  title: `${shown(findings.run.name)}: ${page.title.toLowerCase()}`,
  generator: `Moiety ${findings.run.moiety}`,
  script: scriptHash(),
  style: page.style,
})}
<body>
<a class="skip" href="#main">Skip to the layers</a>
${page.store}
<div class="page">
${contents(reading, page)}
${headerSection(reading, page)}
<main id="main">
${findings.layers.map((layer, index) => layerSection(reading, page, layer, index))}
${page.answers}
${routesSection(reading, page)}
${learningSection(findings)}
${page.classes}
${definitionsSection(findings, page.definitions)}
</main>
<footer>Made by Moiety ${findings.run.moiety} from report.json, which holds every number of this page.${page.dialogs === null ? null : html` <span class="on-screen">The alternatives of each image are on screen only.</span>`}</footer>
</div>
${page.dialogs}
<script>${trusted(script)}</script>
</body>
</html>
`
}

function contents({ findings }: Reading, { hasExperts, answers }: TaskPage): Markup {
  const chips = (index: number, count: number): Markup =>
    html`<span class="chips">${Array.from({ length: count }, (_, expert) => chip(expert, anchor.expert(index, expert)))}</span>`
  const layers = findings.layers.map(
    (layer, index) =>
      html`<li><a href="#${anchor.layer(index)}">${name(shown(layer.name))}</a>${hasExperts ? chips(index, layer.count) : null}</li>`,
  )
  return html`<nav class="contents" aria-label="Contents"><ol><li><a href="#top">Overview</a></li>${layers}<li><a href="#routes">${layers.length === 0 ? 'Classes' : 'Routes'}</a></li>${answers === null ? null : html`<li><a href="#${answersAnchor}">Right and wrong</a></li>`}${learningOf(findings).length === 0 ? null : html`<li><a href="#${learningAnchor}">Learning curves</a></li>`}<li><a href="#definitions">Measures</a></li></ol></nav>`
}
