import type { Pixels } from '../training/data.ts'

/** Images side by side in one picture, so that each is a place in it. */
export interface Sheet {
  readonly address: string
  readonly columns: number
  readonly rows: number
}

/** The picture of all held-out images. */
export async function sheetOf({ pixels, labels }: Pixels, size: number): Promise<Sheet> {
  const columns = Math.ceil(Math.sqrt(labels.length))
  const rows = Math.ceil(labels.length / columns)
  const canvas = new OffscreenCanvas(columns * size, rows * size)
  const context = canvas.getContext('2d')!
  for (const [i] of labels.entries()) {
    const image = imageOf(pixels.subarray(i * 3 * size * size, (i + 1) * 3 * size * size), size)
    context.putImageData(image, (i % columns) * size, Math.floor(i / columns) * size)
  }
  return { address: URL.createObjectURL(await canvas.convertToBlob()), columns, rows }
}

/** @param planes - uint8 [3, S, S] */
function imageOf(planes: Uint8Array, size: number): globalThis.ImageData {
  const plane = size * size
  const image = new globalThis.ImageData(size, size)
  for (let at = 0; at < plane; at++) {
    for (let channel = 0; channel < 3; channel++) image.data[4 * at + channel] = planes[channel * plane + at]!
    image.data[4 * at + 3] = 255
  }
  return image
}

/** Shows one image of the sheet as the background of an element. */
export function showImage(place: HTMLElement, { address, columns, rows }: Sheet, image: number): void {
  const at = (index: number, count: number): string => `${count > 1 ? (100 * index) / (count - 1) : 0}%`
  place.style.backgroundImage = `url("${address}")`
  place.style.backgroundSize = `${100 * columns}% ${100 * rows}%`
  place.style.backgroundPosition = `${at(image % columns, columns)} ${at(Math.floor(image / columns), rows)}`
}
