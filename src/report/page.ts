import type { Findings } from '../analysis/findings.ts'
import type { PictureOfImage } from '../analysis/pictures.ts'
import { definitionsSection } from './definitions-section.ts'
import { expertChips } from './experts-section.ts'
import { head } from './head.ts'
import { headerSection } from './header-section.ts'
import { imageSections, pictureStore } from './images-section.ts'
import { layerSection } from './layer-section.ts'
import { html, type Markup, name, shown, trusted } from './markup.ts'
import { anchor, type Reading, readingOf } from './reading.ts'
import { routesSection } from './routes-section.ts'
import { script, scriptHash } from './script.ts'

/**
 * `report.html`: everything that was found about a run as one file, which needs nothing beside it. The same findings and
 * pictures give the same bytes.
 *
 * @param pictures - images of the galleries; one that is missing is left out of its gallery
 * @returns HTML, to be written as UTF-8
 */
export function renderReport(findings: Findings, pictures: readonly PictureOfImage[]): string {
  const reading = readingOf(findings, pictures)
  return html`<!doctype html>
<html lang="en">
${head({
  title: `${shown(findings.run.name)}: who does what`,
  generator: `Moiety ${findings.run.moiety}`,
  script: scriptHash(),
})}
<body>
<a class="skip" href="#main">Skip to the layers</a>
${pictureStore(reading)}
<div class="page">
${contents(reading)}
${headerSection(reading)}
<main id="main">
${findings.layers.map((layer, index) => layerSection(reading, layer, index))}
${routesSection(reading)}
${definitionsSection(findings)}
</main>
<footer>Made by Moiety ${findings.run.moiety} from report.json, which holds every number of this page. <span class="on-screen">The alternatives of each image are on screen only.</span></footer>
</div>
${imageSections(reading)}
<script>${trusted(script)}</script>
</body>
</html>
`.text
}

function contents({ findings }: Reading): Markup {
  const layers = findings.layers.map(
    (layer, index) =>
      html`<li><a href="#${anchor.layer(index)}">${name(shown(layer.name))}</a>${expertChips(layer, index)}</li>`,
  )
  return html`<nav class="contents" aria-label="Contents"><ol><li><a href="#top">Overview</a></li>${layers}<li><a href="#routes">${layers.length === 0 ? 'Classes' : 'Routes'}</a></li><li><a href="#definitions">Measures</a></li></ol></nav>`
}
