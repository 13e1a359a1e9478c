/** A rectangle in pixels, as COCO writes it: left edge, top edge, width, height. */
export type Box = readonly [x: number, y: number, width: number, height: number]
