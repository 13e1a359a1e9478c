import type { PictureOfScene } from '../../analysis/detection/scene-pictures.ts'
import type { LayerFindings } from '../../analysis/findings.ts'
import { fixed } from '../figures.ts'
import { fitted, html, type Markup, shown } from '../markup.ts'
import { chip, expertClass } from '../parts.ts'
import { levelName } from './detection-words.ts'

/** One copy of each picture, which every layer draws upon. */
export function sceneStore(scenes: readonly PictureOfScene[]): Markup {
  const images = scenes.map(
    ({ image, width, height, uri }) =>
      html`<image id="scene-${image}" width="${width}" height="${height}" preserveAspectRatio="none" href="${uri.startsWith('data:image/') ? uri : 'data:,'}"/>\n`,
  )
  return html`<svg class="defs" aria-hidden="true"><defs>${images}</defs></svg>`
}

/**
 * Scenes with what was found in them, each box in the colour and with the number of the expert that weighed most; of a
 * network without a mixture all in one colour.
 */
export function scenesFigure(
  scenes: readonly PictureOfScene[],
  classes: readonly string[],
  layer: LayerFindings | null,
  index: number,
): Markup {
  return html`<ol class="scenes">${scenes.map(scene => html`<li>${drawn(scene, classes, layer, index)}${layer === null ? null : strip(scene, layer, index)}</li>\n`)}</ol>`
}

/** The expert with the largest weight at a level; of equal ones the first. */
function topAt(scene: PictureOfScene, index: number, level: number): number {
  const inputs = scene.layers[index] ?? []
  const weights = inputs[inputs.length === 1 ? 0 : Math.max(0, level)] ?? []
  return weights.indexOf(Math.max(...weights))
}

function drawn(
  scene: PictureOfScene,
  classes: readonly string[],
  layer: LayerFindings | null,
  index: number,
): Markup {
  const { image, width, height, found } = scene
  // What is uncertain is drawn first, so that what is certain lies above.
  const boxes = found.toReversed().map(one => {
    const expert = layer === null ? null : topAt(scene, index, one.level)
    const what = fitted(shown(classes[one.label] ?? ''), 14)
    return { ...one, expert, text: expert === null ? what : `${expert} ${what}` }
  })
  const words = boxes
    .toReversed()
    .map(
      ({ label, score, expert }) =>
        `${shown(classes[label] ?? '')} ${fixed(score, 2)}${expert === null ? '' : ` by expert ${expert}`}`,
    )
  const label = `Image ${image}${layer === null ? '' : `, ${shown(layer.name)}`}: ${words.length === 0 ? 'nothing found' : words.join(', ')}`
  const unit = Math.max(width, height) / 100
  return html`<svg class="scene" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}"><use href="#scene-${image}"/>${boxes.map(one => box(one, unit, scene))}</svg>`
}

function box(
  one: PictureOfScene['found'][number] & { readonly expert: number | null; readonly text: string },
  unit: number,
  scene: PictureOfScene,
): Markup {
  const [left, top, width, height] = one.box.map(value => Number(value.toFixed(1)))
  const size = 4.6 * unit
  const tag = { width: one.text.length * size * 0.62 + unit * 2, height: size * 1.25 }
  const x = Math.max(0, Math.min(left ?? 0, scene.width - tag.width))
  const above = (top ?? 0) - tag.height
  const y = above >= 0 ? above : Math.min((top ?? 0) + (height ?? 0), scene.height - tag.height)
  const round = (value: number): string => value.toFixed(1)
  return html`<g class="${expertClass(one.expert ?? 0)}"><title>${one.text}, score ${fixed(one.score, 2)}, level ${levelName(one.level)}</title><rect class="halo" x="${left ?? 0}" y="${top ?? 0}" width="${width ?? 0}" height="${height ?? 0}" stroke-width="${round(unit * 1.8)}"/><rect class="box" x="${left ?? 0}" y="${top ?? 0}" width="${width ?? 0}" height="${height ?? 0}" stroke-width="${round(unit)}"/><rect class="tag" x="${round(x)}" y="${round(y)}" width="${round(tag.width)}" height="${round(tag.height)}"/><text x="${round(x + unit)}" y="${round(y + size * 0.95)}" font-size="${round(size)}">${one.text}</text></g>`
}

/** Which expert weighs most at each level of the scene. */
function strip(scene: PictureOfScene, layer: LayerFindings, index: number): Markup {
  const of = (level: number): Markup => chip(topAt(scene, index, level))
  const places =
    layer.inputs === 1
      ? html`<span>image ${of(0)}</span>`
      : Array.from(
          { length: layer.inputs },
          (_, level) => html`<span>${levelName(level)} ${of(level)}</span>`,
        )
  return html`<p class="strip">${places}</p>`
}

export const scenesStyle = `
.scenes{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1.5rem 1.25rem;margin-top:1.25rem}
.scene{display:block;width:100%;height:auto;border-radius:.3rem;background:var(--faint);overflow:hidden}
.scene .halo{fill:none;stroke:#fff;stroke-opacity:.75}
.scene .box{fill:none;stroke:var(--c)}
.scene .tag{fill:var(--c)}
.scene text{fill:var(--i);font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-weight:600}
.strip{display:flex;flex-wrap:wrap;gap:.2rem .8rem;margin-top:.5rem;font-size:.75rem;color:var(--muted)}
.strip .chip{font-size:.6875rem}
@media print{.scenes{grid-template-columns:repeat(3,1fr)}.scenes li{break-inside:avoid}}
`
