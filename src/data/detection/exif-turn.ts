import type { Box } from '../coco/record.ts'

/** Where a point of the turned image is in the stored one, both as fractions, by EXIF's orientation. */
const toStored: Readonly<Record<number, (u: number, v: number) => readonly [x: number, y: number]>> = {
  2: (u, v) => [1 - u, v],
  3: (u, v) => [1 - u, 1 - v],
  4: (u, v) => [u, 1 - v],
  5: (u, v) => [v, u],
  6: (u, v) => [v, 1 - u],
  7: (u, v) => [1 - v, 1 - u],
  8: (u, v) => [1 - v, u],
}

/** A box of an image as EXIF turns it, in the image as stored; both are fractions of width and height. */
export function turnedToStored(box: Box, orientation: number): Box {
  const turn = toStored[orientation]
  if (turn === undefined) return box
  const [u, v, width, height] = box
  const [x1, y1] = turn(u, v)
  const [x2, y2] = turn(u + width, v + height)
  return [Math.min(x1, x2), Math.min(y1, y2), Math.abs(x2 - x1), Math.abs(y2 - y1)]
}
