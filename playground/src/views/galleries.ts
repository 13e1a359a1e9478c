import { chip, element, percent, setText } from '../../../web/views/elements.ts'
import type { Run } from '../run.ts'
import type { ImageData } from '../training/data.ts'
import { type Sheet, showImage } from './sheet.ts'

/** Images of each expert. */
const shown = 7

/** For each expert the held-out images that are most its own, the most typical first; they change places as the gate learns. */
export class GalleriesView {
  #rows: Gallery[] = []

  constructor(readonly list: HTMLElement) {}

  show(run: Run, data: ImageData | undefined, sheet: Sheet | undefined): void {
    if (this.#rows.length !== run.experts) {
      this.#rows = Array.from({ length: run.experts }, (_, expert) => new Gallery(expert))
      this.list.replaceChildren(...this.#rows.map(({ place }) => place))
    }
    const report = run.latest
    const weights = report?.weights[run.shown]
    const logits = report?.logits[run.shown]
    const shares = report?.layers[run.shown]?.importance ?? []
    for (const [expert, row] of this.#rows.entries()) {
      const images =
        weights === undefined || logits === undefined ? [] : mostTypical(weights, logits, expert, run.experts)
      row.show(images, shares[expert], data, sheet)
    }
  }
}

/** Images that the expert computes, by its probability among all experts. */
function mostTypical(weights: Float32Array, logits: Float32Array, expert: number, experts: number): number[] {
  const found: [image: number, probability: number][] = []
  for (let image = 0; image * experts < weights.length; image++) {
    if (weights[image * experts + expert]! <= 0) continue
    const own = logits.subarray(image * experts, (image + 1) * experts)
    const largest = Math.max(...own)
    const sum = own.reduce((total, logit) => total + Math.exp(logit - largest), 0)
    found.push([image, Math.exp(own[expert]! - largest) / sum])
  }
  return found
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, shown)
    .map(([image]) => image)
}

class Gallery {
  readonly place: HTMLElement
  readonly #share = element('span', { class: 'share num' }, '–')
  readonly #tiles = element('span', { class: 'tiles', 'aria-hidden': 'true' })
  readonly #text = element('span', { class: 'hidden-text' })
  readonly #byImage = new Map<number, HTMLElement>()
  #sheet: Sheet | undefined

  constructor(readonly expert: number) {
    this.place = element('li', { class: 'gallery' }, chip(expert), this.#share, this.#tiles, this.#text)
  }

  show(
    images: readonly number[],
    share: number | undefined,
    data: ImageData | undefined,
    sheet: Sheet | undefined,
  ): void {
    setText(this.#share, share === undefined ? '–' : percent(share))
    const nameOf = (image: number): string => data?.classes[data.test.labels[image] ?? -1] ?? ''
    setText(
      this.#text,
      images.length === 0 ? 'no image' : `of the work; most typical: ${images.map(nameOf).join(', ')}`,
    )
    this.place.classList.toggle('starved', share !== undefined && share <= 0.01)
    if (sheet !== this.#sheet) {
      this.#sheet = sheet
      this.#tiles.replaceChildren()
      this.#byImage.clear()
    }
    if (sheet === undefined) return
    for (const [image, tile] of this.#byImage) {
      if (images.includes(image)) continue
      tile.remove()
      this.#byImage.delete(image)
    }
    for (const [slot, image] of images.entries()) {
      let tile = this.#byImage.get(image)
      if (tile === undefined) {
        tile = element('i', { class: 'tile', title: nameOf(image) })
        showImage(tile, sheet, image)
        this.#byImage.set(image, tile)
        this.#tiles.append(tile)
      }
      tile.style.setProperty('--slot', String(slot))
    }
  }
}
