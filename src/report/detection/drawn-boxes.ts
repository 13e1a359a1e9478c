import sharp from 'sharp'
import { decodeImage, decodeStored, type Extent } from '../../data/image.ts'
import type { Mark, PredictedImage, Predictions } from '../../predict/predictor.ts'
import { type Prediction, predictorOf } from '../../predict/predictors.ts'
import { expertShades, variables } from '../palette.ts'
import { canWrite, letterHeight, letterWidth, textPath, textWidth } from './letters.ts'

/** A picture is between these on its longer side, in pixels: a small image is shown larger, dot by dot. */
const [smallest, largest] = [480, 1280] as const

/** Side of a label's dot, and what is left free around its text, in pixels. */
const [dot, margin] = [2, 3] as const

const labelHeight = letterHeight * dot + 2 * margin

/**
 * The picture of an image: what the network was given of it, or for a task that marks its images (see {@link Mark}) the image as it
 * is stored, with a box around each object in the colour of its expert and a label, `cat 0.87 · e2`. The first marks are on top.
 *
 * @returns as PNG
 */
export async function predictionPicture(
  image: PredictedImage<Prediction>,
  predictions: Predictions<Prediction>,
): Promise<Uint8Array> {
  const predictor = predictorOf(predictions.task)
  const isUpright = predictor.orientation === 'upright'
  const shown = isUpright ? image.input : scaled(image, Math.min(1, largest / longestSide(image)))
  const planes = isUpright
    ? await decodeImage(image.path, shown.width)
    : await decodeStored(image.path, image, shown)
  const area = shown.width * shown.height
  const interleaved = Uint8Array.from(
    { length: 3 * area },
    (_, at) => planes[(at % 3) * area + Math.floor(at / 3)]!,
  )
  const { width, height } = scaled(shown, Math.max(1, Math.ceil(smallest / longestSide(shown))))
  const enlarged = await sharp(interleaved, {
    raw: { width: shown.width, height: shown.height, channels: 3 },
  })
    .resize(width, height, { fit: 'fill', kernel: 'nearest' })
    .png()
    .toBuffer()
  const marks = predictor.marks?.(image, predictions) ?? []
  const overlay = Buffer.from(
    overlaySvg(marks, { width, height, across: width / image.width, down: height / image.height }),
  )
  return await sharp(enlarged)
    .composite([{ input: overlay }])
    .png({ compressionLevel: 9 })
    .toBuffer()
}

function longestSide({ width, height }: Extent): number {
  return Math.max(width, height)
}

function scaled({ width, height }: Extent, scale: number): Extent {
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) }
}

interface Drawing {
  readonly width: number
  readonly height: number
  /** Pixels of the picture per pixel of the image, along each axis. */
  readonly across: number
  readonly down: number
}

interface Place {
  readonly x: number
  readonly y: number
  readonly width: number
}

function overlaySvg(marks: readonly Mark[], drawing: Drawing): string {
  const { width, height } = drawing
  const taken: Place[] = []
  // The first mark has the first choice of a place for its label, and is drawn last.
  const drawn = marks.map(mark => drawnMark(mark, drawing, taken)).reverse()
  const boxes = drawn.map(({ box }) => box).join('')
  const labels = drawn.map(({ label }) => label).join('')
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${boxes}${labels}</svg>`
}

function drawnMark(mark: Mark, drawing: Drawing, taken: Place[]) {
  const { fill, ink } = coloursOf(mark)
  const [x, y, w, h] = mark.box.map((side, i) => side * (i % 2 === 0 ? drawing.across : drawing.down))
  const outline = `x="${x}" y="${y}" width="${w}" height="${h}" fill="none"`
  const label = labelOf(mark, drawing)
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

/** `cat 0.87 · e2`, the name cut where the picture is narrower. */
function labelOf({ name, fallback, detail }: Mark, { width }: Drawing): string {
  const room = Math.max(3, Math.floor((width - 2 * margin) / (letterWidth * dot)) - detail.length - 1)
  const called = canWrite(name) ? name : fallback
  const letters = Array.from(called)
  return `${letters.length > room ? `${letters.slice(0, room - 1).join('')}…` : called} ${detail}`
}

/** Of the expert; black where there is none. */
function coloursOf({ expert }: Mark): { readonly fill: string; readonly ink: string } {
  if (expert === undefined) return { fill: '#1d1c1a', ink: '#ffffff' }
  const shade = expert % expertShades.length
  return { fill: expertShades[shade]!.light, ink: light.get(`--e${shade}-ink`)! }
}

const light = variables('light')
