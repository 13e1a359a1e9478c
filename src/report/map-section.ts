import type { ImageLayer, LayerFindings } from '../analysis/findings.ts'
import type { Definition } from './definitions-section.ts'
import { html, type Markup, name, shown } from './markup.ts'
import { chart, figure } from './parts.ts'
import { mapChart, placesOf } from './place-charts.ts'

export const mapDefinition: Definition = {
  term: 'Map',
  meaning:
    'UMAP of the gate’s logits: images that the gate judges alike lie side by side. Distances between far groups, and the axes, mean nothing.',
  chance:
    'One even cloud. That colours part is no finding, since the logits decide the expert; where classes lie is.',
}

/** Small maps, each of the images with a class of one group. */
interface SmallMaps {
  readonly title: string
  /** What a group is: `A superclass`. */
  readonly what: string
  readonly groups: readonly { readonly name: string; readonly has: (label: number) => boolean }[]
}

/** The map of a layer's gate as a whole, and one small map for each group. */
export function mapSection(
  extras: { readonly layers: readonly ImageLayer[] },
  layer: LayerFindings,
  index: number,
  small: SmallMaps,
): Markup {
  const figures = mapFigures(extras.layers[index]?.map ?? null, layer, small)
  return html`<section class="block" aria-labelledby="map-${index}"><h3 id="map-${index}">How the gate sees the images</h3><div class="figures">${figures}</div></section>\n`
}

function mapFigures(
  map: ImageLayer['map'],
  layer: LayerFindings,
  { title, what, groups }: SmallMaps,
): Markup[] {
  const heading = 'A map of the gate’s logits'
  if (map === null)
    return [
      figure({
        title: heading,
        sentence: 'There are too few images for a map, or the gate says the same of all.',
        body: null,
      }),
    ]
  const places = placesOf(map)
  const small = groups.flatMap(({ name: group, has }) => {
    const own = places.filter(({ labels }) => labels.some(has))
    const facts = { name: `${layer.name}-maps/${group}`, label: `${group}: ${own.length} images on the map` }
    const drawn = mapChart(facts, own, { frame: places, side: 132, radius: 1.6 })
    return own.length === 0 ? [] : [html`<div><h5>${name(group)}</h5>${drawn.svg}</div>`]
  })
  return [
    figure({
      title: heading,
      sentence: `Each of the ${places.length} points is an image; images of which the gate says alike lie side by side (UMAP, ${map.neighbours} neighbours). Colour, and the number amid each colour, is the expert with the most weight. That colours part is no finding, since the logits decide the expert; groups within a colour are. A gate without opinions would draw one even cloud.`,
      body: chart(
        mapChart(
          {
            name: `${layer.name}-map`,
            label: `${shown(layer.name)}: map of the gate’s logits of ${places.length} images`,
          },
          places,
          { frame: places, side: 560, radius: 2.4 },
        ),
        true,
      ),
    }),
    ...(small.length === 0
      ? []
      : [
          figure({
            title,
            width: 520,
            sentence: `${what} that sits in one corner is one that the gate knows. One that is spread over the whole map, like a random draw of images, means nothing to it.`,
            body: html`<div class="smalls">${small}</div>`,
          }),
        ]),
  ]
}
