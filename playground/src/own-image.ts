import { MoietyError } from 'moiety/step'
import { byId, element } from '../../web/views/elements.ts'
import { planesOf, planesOfImage } from './dropped.ts'
import type { Run } from './run.ts'
import { lookView } from './views/looks.ts'
import { Pad } from './views/pad.ts'
import type { RunView } from './views/run-view.ts'

/** The runs that look at an image, and where each marks it. */
export interface Lookers {
  readonly runs: readonly Run[]
  readonly views: readonly RunView[]
  /** Height and width of their images. */
  readonly size: number
}

/** The image that the visitor has drawn or dropped, and the experts that compute it. */
export class OwnImage {
  /** uint8 [3, S, S] */
  #pixels: Uint8Array | undefined
  readonly #canvas = byId('pad', HTMLCanvasElement)
  readonly #looks = byId('looks', HTMLElement)
  readonly #pad: Pad

  constructor(readonly lookers: () => Lookers) {
    this.#pad = new Pad(
      this.#canvas,
      byId('inks', HTMLElement),
      () => void this.#takeDrawing(),
      () => byId('files', HTMLInputElement).click(),
      () => this.#forget(),
    )
    this.#forget()
  }

  /** @throws MoietyError (data) for a file that is no image, or none that this browser knows */
  async take(file: Blob): Promise<void> {
    const image = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => {
      const name = file instanceof File ? file.name : 'this'
      throw new MoietyError({
        kind: 'data',
        message: `${name} is not an image that this browser can read`,
        help: 'drop a JPEG, PNG, WebP or AVIF file',
      })
    })
    this.#pad.show(image)
    image.close()
    this.#pixels = await planesOf(file, this.lookers().size)
    await this.look()
  }

  async #takeDrawing(): Promise<void> {
    const { width, height } = this.#canvas
    this.#pixels = planesOfImage(this.#canvas, width, height, this.lookers().size)
    await this.look()
  }

  /** Asks all runs how they see the image, if there is one. */
  async look(): Promise<void> {
    const pixels = this.#pixels
    if (pixels === undefined) return
    const { runs, views } = this.lookers()
    const looks = await Promise.all(runs.map(run => run.look(pixels)))
    if (pixels !== this.#pixels || runs !== this.lookers().runs) return
    for (const [i, look] of looks.entries()) views[i]?.map.mark(look.logits.at(-1), look.weights.at(-1))
    this.#looks.replaceChildren(
      ...runs.map((run, i) => lookView(run.start.title, looks[i], run.start.classes, run.experts)),
    )
    this.#looks.dataset.weights = JSON.stringify(looks.map(({ weights }) => [...(weights.at(-1) ?? [])]))
  }

  #forget(): void {
    this.#pixels = undefined
    for (const view of this.lookers().views) view.map.mark(undefined, undefined)
    this.#looks.replaceChildren(
      element('p', { class: 'muted' }, 'Its experts light up here, and a star marks it on the map.'),
    )
  }
}
