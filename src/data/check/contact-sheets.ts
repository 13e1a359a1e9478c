import { thumbnail, UnreadableImage } from '../image.ts'
import type { DataCheck } from './check-data.ts'
import type { CheckedImage } from './checked-images.ts'
import { bytesOfImage } from './inspect-images.ts'

/** A picture of a contact sheet. */
export interface SheetPicture {
  /** `data:` address of a JPEG. */
  readonly source: string
  /** Of the image, in pixels as boxes count them. */
  readonly width: number
  readonly height: number
  /** Class and box [x, y, width, height] of each object. */
  readonly objects: readonly {
    readonly name: string
    readonly box: readonly number[]
    readonly isOwn: boolean
  }[]
}

/** Some images of a class. */
export interface ContactSheet {
  readonly name: string
  readonly images: number
  readonly objects: number | undefined
  readonly pictures: readonly SheetPicture[]
}

/** Classes that are shown, the rarest, and images of each. */
const mostClasses = 60
const perClass = { whole: 8, boxes: 4 }
/** Longer side of their pictures, in pixels. */
const side = { whole: 112, boxes: 256 }

/** Images of each class, evenly spread over those that it has, rarest class first; nothing else is read again. */
export async function contactSheets({
  report,
  classes,
  images,
}: DataCheck): Promise<readonly ContactSheet[]> {
  const byClass = classes.map((): CheckedImage[] => [])
  for (const image of images) for (const label of image.labels) byClass[label]!.push(image)
  const labels = new Map(classes.map((name, label) => [name, label]))
  const sheets: ContactSheet[] = []
  for (const { name, images: count, objects } of report.classes.slice(0, mostClasses)) {
    const label = labels.get(name)!
    const own = byClass[label]!
    const most = Math.min(objects === undefined ? perClass.whole : perClass.boxes, own.length)
    const chosen = Array.from({ length: most }, (_, i) => own[Math.floor((i * own.length) / most)]!)
    const pictures = await Promise.all(chosen.map(image => pictureOf(image, label, classes)))
    sheets.push({ name, images: count, objects, pictures: pictures.filter(each => each !== undefined) })
  }
  return sheets
}

/** Undefined for a file that has been removed since it was checked. */
async function pictureOf(
  image: CheckedImage,
  own: number,
  classes: readonly string[],
): Promise<SheetPicture | undefined> {
  const { path, objects, width, height } = image
  try {
    const bytes = await bytesOfImage(image)
    const isWhole = objects === undefined
    const jpeg = await thumbnail({ bytes, name: path }, isWhole ? side.whole : side.boxes, isWhole)
    return {
      source: `data:image/jpeg;base64,${Buffer.from(jpeg).toString('base64')}`,
      ...(isWhole && image.orientation > 4 ? { width: height, height: width } : { width, height }),
      objects: (objects ?? []).map(({ box, label }) => ({
        name: classes[label]!,
        box,
        isOwn: label === own,
      })),
    }
  } catch (cause) {
    if (cause instanceof UnreadableImage) return undefined
    throw cause
  }
}
