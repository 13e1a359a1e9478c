import type { Draws } from '../../base/random.ts'
import type { Box } from '../coco/record.ts'
import { drawBackground } from '../drawing.ts'
import { drawPatch, isObject, type Patch, type Pyramid } from './glyph-patch.ts'

/**
 * Drawing of scenes from glyphs. A pure function of glyphs and random numbers; a change of the drawing, or of the
 * chosen glyphs, must raise {@link sceneVersion}, so that cached scenes are drawn again.
 */
export const sceneVersion = 2

/** Fewest and most objects of a scene. */
export const objectCounts = [1, 8] as const

/** Shortest and longest of the longer sides of boxes, in pixels; log-uniform between. */
export const objectSides = [8, 100] as const

/** Most of an object's own pixels that other objects may cover, all together. */
export const mostHidden = 0.25

/** Fewest pixels of the shorter side of a box, and of the object in it: thinner ones are not visible. */
const leastSide = 4
const leastArea = 16

/** Positions tried for an object before it is left out. */
const tries = 30

/** A glyph for a scene, with its class. */
export interface Wanted {
  readonly label: number
  readonly glyph: Pyramid
}

/** An object as it was drawn. */
export interface Drawn {
  readonly label: number
  /** The smallest rectangle around its visible pixels. */
  readonly box: Box
  /** Its number of visible pixels. */
  readonly area: number
}

/** Likewise, with its number of pixels without occlusion. */
export interface DrawnWhole extends Drawn {
  readonly whole: number
}

/**
 * Draws one scene: a background, and on it the objects, the larger ones first, each wholly inside and none hiding
 * more than {@link mostHidden} of another. An object without a free position is left out.
 *
 * @param size - height and width in pixels
 * @param out - uint8 [3, size, size], planar RGB, overwritten
 * @returns at least one object, the larger ones first, if `wanted` has any glyph that is not empty
 */
export function drawScene(
  size: number,
  wanted: readonly Wanted[],
  source: Draws,
  out: Uint8Array,
): readonly DrawnWhole[] {
  const background = drawBackground(source, size)
  const sides = wanted.map(() => logUniform(source)).sort((a, b) => b - a)
  const scene = new Scene(size, background)
  for (const [i, { label, glyph }] of wanted.entries()) {
    const patch = drawPatch(glyph, sides[i]!, source)
    if (isSound(patch, size)) scene.place(label, patch, source)
  }
  for (let i = 0; i < out.length; i++) out[i] = Math.round(255 * Math.min(Math.max(background[i]!, 0), 1))
  return scene.objects()
}

function logUniform(source: Draws): number {
  const [least, most] = objectSides
  return least * (most / least) ** source.uniform()
}

function isSound({ box: [, , width, height], area }: Patch, size: number): boolean {
  const longer = Math.max(width, height)
  return (
    longer >= objectSides[0] &&
    longer <= Math.min(objectSides[1], size) &&
    Math.min(width, height) >= leastSide &&
    area >= leastArea
  )
}

const nobody = -1

/** A scene being drawn: its colours, and the object of each pixel. */
class Scene {
  readonly #size: number
  /** float64 [3, size, size]. */
  readonly #colours: Float64Array
  /** [size, size]: the index of the visible object. */
  readonly #owner: Int8Array
  readonly #placed: { readonly label: number; readonly whole: number; visible: number }[] = []

  constructor(size: number, colours: Float64Array) {
    this.#size = size
    this.#colours = colours
    this.#owner = new Int8Array(size * size).fill(nobody)
  }

  /** Puts an object in front of the others, at the first random position where it hides little enough. */
  place(label: number, patch: Patch, source: Draws): void {
    const [left, top, width, height] = patch.box
    for (let attempt = 0; attempt < tries; attempt++) {
      const x = source.below(this.#size - width + 1) - left
      const y = source.below(this.#size - height + 1) - top
      const hidden = this.#hides(patch, x, y)
      const tooMuch = hidden.some(
        (count, i) => this.#placed[i]!.visible - count < (1 - mostHidden) * this.#placed[i]!.whole,
      )
      if (tooMuch) continue
      for (const [i, count] of hidden.entries()) this.#placed[i]!.visible -= count
      this.#draw(patch, x, y)
      this.#placed.push({ label, whole: patch.area, visible: patch.area })
      return
    }
  }

  objects(): readonly DrawnWhole[] {
    const bounds = this.#placed.map(() => ({
      left: this.#size,
      top: this.#size,
      right: 0,
      bottom: 0,
    }))
    for (let pixel = 0; pixel < this.#owner.length; pixel++) {
      const owner = this.#owner[pixel]!
      if (owner === nobody) continue
      const x = pixel % this.#size
      const y = Math.floor(pixel / this.#size)
      const own = bounds[owner]!
      own.left = Math.min(own.left, x)
      own.right = Math.max(own.right, x + 1)
      own.top = Math.min(own.top, y)
      own.bottom = Math.max(own.bottom, y + 1)
    }
    return this.#placed.map(({ label, visible, whole }, i) => {
      const { left, top, right, bottom } = bounds[i]!
      return { label, box: [left, top, right - left, bottom - top], area: visible, whole }
    })
  }

  /** How many pixels of each object a patch would hide with its corner at (x, y). */
  #hides(patch: Patch, x: number, y: number): readonly number[] {
    const counts = this.#placed.map(() => 0)
    this.#each(patch, x, y, (at, from) => {
      const owner = this.#owner[at]!
      if (owner !== nobody && isObject(patch.pixels[from + 3]!)) counts[owner]!++
    })
    return counts
  }

  #draw(patch: Patch, x: number, y: number): void {
    const number = this.#placed.length
    const plane = this.#size ** 2
    this.#each(patch, x, y, (at, from) => {
      const alpha = patch.pixels[from + 3]!
      if (alpha === 0) return
      for (let channel = 0; channel < 3; channel++) {
        const behind = this.#colours[channel * plane + at]!
        this.#colours[channel * plane + at] = patch.pixels[from + channel]! + (1 - alpha) * behind
      }
      if (isObject(alpha)) this.#owner[at] = number
    })
  }

  /** Goes over the pixels of a patch that are inside of the scene. */
  #each({ width, height }: Patch, x: number, y: number, action: (at: number, from: number) => void): void {
    for (let row = Math.max(0, -y); row < Math.min(height, this.#size - y); row++) {
      for (let column = Math.max(0, -x); column < Math.min(width, this.#size - x); column++) {
        action((y + row) * this.#size + x + column, (row * width + column) * 4)
      }
    }
  }
}
