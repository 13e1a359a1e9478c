import { type Drawn, objectCounts } from './scene-drawing.ts'

const mostObjects = objectCounts[1]
/** Label, the four numbers of the box, area. */
const fields = 6
const tableBytes = 4 * mostObjects * fields

/**
 * Scenes of one side as they lie in memory and in the cache: for each a table of its objects, int32 [8, 6] with the
 * label, −1 where there is none, left, top, width and height of the box, and the area; then for each its pixels, uint8
 * [3, size, size]. Little-endian.
 */
export class DrawnScenes {
  readonly bytes: Uint8Array
  readonly count: number
  readonly size: number
  readonly #table: DataView

  /** @param bytes - of {@link DrawnScenes.bytesOf} length; zero before anything is drawn */
  constructor(bytes: Uint8Array, count: number, size: number) {
    this.bytes = bytes
    this.count = count
    this.size = size
    this.#table = new DataView(bytes.buffer, bytes.byteOffset, count * tableBytes)
  }

  static bytesOf(count: number, size: number): number {
    return count * (tableBytes + 3 * size * size)
  }

  /** All pixels: uint8 [count, 3, size, size]. */
  get pixels(): Uint8Array {
    return this.bytes.subarray(this.count * tableBytes)
  }

  /** A view of the pixels of one scene: uint8 [3, size, size]. */
  pixelsOf(index: number): Uint8Array {
    const length = 3 * this.size * this.size
    return this.pixels.subarray(index * length, (index + 1) * length)
  }

  setObjects(index: number, objects: readonly Drawn[]): void {
    for (let place = 0; place < mostObjects; place++) {
      const object = objects[place]
      const row = object ? [object.label, ...object.box, object.area] : new Array<number>(fields).fill(-1)
      for (const [field, value] of row.entries())
        this.#table.setInt32(this.#at(index, place, field), value, true)
    }
  }

  objectsOf(index: number): readonly Drawn[] {
    const objects: Drawn[] = []
    for (let place = 0; place < mostObjects; place++) {
      const field = (number: number): number => this.#table.getInt32(this.#at(index, place, number), true)
      if (field(0) < 0) break
      objects.push({ label: field(0), box: [field(1), field(2), field(3), field(4)], area: field(5) })
    }
    return objects
  }

  /** The first of the scenes, without the memory of the others. */
  first(count: number): DrawnScenes {
    if (count >= this.count) return this
    const bytes = new Uint8Array(DrawnScenes.bytesOf(count, this.size))
    bytes.set(this.bytes.subarray(0, count * tableBytes))
    bytes.set(this.pixels.subarray(0, count * 3 * this.size * this.size), count * tableBytes)
    return new DrawnScenes(bytes, count, this.size)
  }

  #at(index: number, place: number, field: number): number {
    return index * tableBytes + 4 * (place * fields + field)
  }
}
