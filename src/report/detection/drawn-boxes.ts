import sharp from 'sharp'
import { decodeStored } from '../../data/image.ts'
import type { SeenImage, Sighting, Sightings } from '../../predict/detect-run.ts'
import { expertShades, variables } from '../palette.ts'
import { canWrite, letterHeight, letterWidth, textPath, textWidth } from './letters.ts'

/** A picture with boxes is between these on its longer side, in pixels: a small image is shown larger, dot by dot. */
const [smallest, largest] = [480, 1280] as const

/** Side of a label's dot, and what is left free around its text, in pixels. */
const [dot, margin] = [2, 3] as const

const labelHeight = letterHeight * dot + 2 * margin

/**
 * The place, among the layers, of the mixture whose experts give boxes their colours: the classification head's, the only
 * head's that is one, or that of both; otherwise the last one of the backbone. −1 where there is none.
 */
export function colouringLayer(layers: Sightings['layers']): number {
  const head = layers.findIndex(({ name }) => name.startsWith('head'))
  return head === -1 ? layers.length - 1 : head
}

/**
 * An image with a box around each object, in the colour of the expert that weighed most on its level, and a label that says
 * class, score and expert: `cat 0.87 · e2`. The most certain ones are on top.
 *
 * @param layer - whose experts, see {@link colouringLayer}
 * @returns as PNG
 */
export async function drawnBoxes(image: SeenImage, layer: number): Promise<Uint8Array> {
  const longest = Math.max(image.width, image.height)
  const scale = longest < smallest ? Math.ceil(smallest / longest) : Math.min(1, largest / longest)
  const shown = {
    width: Math.max(1, Math.round(image.width * Math.min(scale, 1))),
    height: Math.max(1, Math.round(image.height * Math.min(scale, 1))),
  }
  const planes = await decodeStored(image.path, image, shown)
  const area = shown.width * shown.height
  const interleaved = Uint8Array.from(
    { length: 3 * area },
    (_, at) => planes[(at % 3) * area + Math.floor(at / 3)]!,
  )
  const [width, height] = [shown.width * Math.max(scale, 1), shown.height * Math.max(scale, 1)]
  const enlarged = await sharp(interleaved, { raw: { ...shown, channels: 3 } })
    .resize(width, height, { fit: 'fill', kernel: 'nearest' })
    .png()
    .toBuffer()
  const overlay = Buffer.from(overlaySvg(image.objects, { width, height, scale, layer }))
  return await sharp(enlarged)
    .composite([{ input: overlay }])
    .png({ compressionLevel: 9 })
    .toBuffer()
}

interface Drawing {
  readonly width: number
  readonly height: number
  /** Pixels of the picture per pixel of the image. */
  readonly scale: number
  readonly layer: number
}

interface Place {
  readonly x: number
  readonly y: number
  readonly width: number
}

function overlaySvg(objects: readonly Sighting[], drawing: Drawing): string {
  const { width, height } = drawing
  const taken: Place[] = []
  // The most certain object has the first choice of a place for its label, and is drawn last.
  const drawn = objects.map(object => drawnObject(object, drawing, taken)).reverse()
  const boxes = drawn.map(({ box }) => box).join('')
  const labels = drawn.map(({ label }) => label).join('')
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${boxes}${labels}</svg>`
}

function drawnObject(object: Sighting, drawing: Drawing, taken: Place[]) {
  const { fill, ink } = coloursOf(object, drawing.layer)
  const [x, y, w, h] = object.box.map(side => side * drawing.scale)
  const outline = `x="${x}" y="${y}" width="${w}" height="${h}" fill="none"`
  const label = labelOf(object, drawing)
  const place = freePlace({ x: x!, y: y!, bottom: y! + h!, label }, drawing, taken)
  taken.push(place)
  const text = textPath(label, place.x + margin, place.y + margin, dot)
  return {
    // A dark line below the coloured one sets it off from whatever the image shows.
    box: `<rect ${outline} stroke="#000" stroke-opacity=".55" stroke-width="5"/><rect ${outline} stroke="${fill}" stroke-width="3"/>`,
    label: `<rect x="${place.x}" y="${place.y}" width="${place.width}" height="${labelHeight}" fill="${fill}" stroke="#000" stroke-opacity=".4"/><path d="${text}" fill="${ink}" shape-rendering="crispEdges"/>`,
  }
}

/**
 * Above the box, below it, or farther off on either side; within it only where it is much higher than a label, so that small
 * objects stay to be seen. The first of these that is free and in the picture.
 */
function freePlace(
  { x, y, bottom, label }: { x: number; y: number; bottom: number; label: string },
  { width, height }: Drawing,
  taken: readonly Place[],
): Place {
  const own = textWidth(label) * dot + 2 * margin
  const left = Math.round(Math.max(0, Math.min(x, width - own)))
  const inside = (top: number): Place => ({
    x: left,
    y: Math.round(Math.max(0, Math.min(top, height - labelHeight))),
    width: own,
  })
  const within = bottom - y > 4 * labelHeight ? [y, bottom - labelHeight] : []
  const outside = [1, 2, 3, 4].flatMap(n => [y - n * labelHeight, bottom + (n - 1) * labelHeight])
  const tops = [outside[0]!, ...within, ...outside.slice(1)]
  const fitting = tops.filter(top => top >= 0 && top + labelHeight <= height)
  const places = [...fitting, ...tops].map(inside)
  const overlaps = (a: Place, b: Place): boolean =>
    a.x < b.x + b.width && b.x < a.x + a.width && Math.abs(a.y - b.y) < labelHeight
  return places.find(place => !taken.some(other => overlaps(place, other))) ?? places[0]!
}

/** `cat 0.87 · e2`, cut where the picture is narrower; a class that the letters cannot write by its id, `#17`. */
function labelOf({ name, categoryId, score, experts }: Sighting, { width, layer }: Drawing): string {
  const expert = experts[layer]?.[0]?.expert
  const figures = `${score.toFixed(2)}${expert === undefined ? '' : ` · e${expert}`}`
  const room = Math.max(3, Math.floor((width - 2 * margin) / (letterWidth * dot)) - figures.length - 1)
  const called = canWrite(name) ? name : `#${categoryId}`
  const letters = Array.from(called)
  return `${letters.length > room ? `${letters.slice(0, room - 1).join('')}…` : called} ${figures}`
}

/** Of the expert that weighed most; black where there is none. */
function coloursOf({ experts }: Sighting, layer: number): { readonly fill: string; readonly ink: string } {
  const expert = experts[layer]?.[0]?.expert
  if (expert === undefined) return { fill: '#1d1c1a', ink: '#ffffff' }
  const shade = expert % expertShades.length
  return { fill: expertShades[shade]!.light, ink: light.get(`--e${shade}-ink`)! }
}

const light = variables('light')
