import type { Gallery, TestGalleries } from '../../src/watch/protocol.ts'
import { chip, element, percent, setText } from '../views/elements.ts'
import { whole } from './text.ts'

/** What each expert was given at a test: its images, and a slider through all tests. */
export class GalleriesView {
  readonly place = element('div', { class: 'gallery-box' })
  readonly #slider = element('input', { type: 'range', min: '0', step: '1', 'aria-label': 'Test' })
  readonly #label = element('output', { class: 'num' })
  readonly #list = element('ul', { class: 'galleries' })
  readonly #none = element('p', { class: 'muted' })
  #tests: readonly TestGalleries[] = []
  #run = ''
  #layer: string | undefined
  #isNewest = true
  #shown = ''

  constructor() {
    this.place.append(
      element('label', { class: 'tests' }, 'Test ', this.#slider, this.#label),
      this.#none,
      this.#list,
    )
    this.#slider.addEventListener('input', () => {
      this.#isNewest = Number(this.#slider.value) === this.#tests.length - 1
      this.#draw()
    })
  }

  show(
    run: string,
    tests: readonly TestGalleries[],
    layer: string | undefined,
    noPictures: string | null,
  ): void {
    if (run !== this.#run) this.#isNewest = true
    this.#run = run
    this.#tests = tests.filter(({ layers }) => layers.some(({ name }) => name === layer))
    this.#layer = layer
    setText(this.#none, noPictures ?? '')
    this.#none.hidden = noPictures === null
    const last = Math.max(0, this.#tests.length - 1)
    this.#slider.max = String(last)
    if (this.#isNewest || Number(this.#slider.value) > last) this.#slider.value = String(last)
    this.#slider.disabled = last === 0
    this.#draw()
  }

  #draw(): void {
    const number = Number(this.#slider.value)
    const test = this.#tests[number]
    const galleries = test?.layers.find(({ name }) => name === this.#layer)?.galleries ?? []
    const text =
      test === undefined
        ? 'none yet'
        : `${number + 1} of ${this.#tests.length}, after step ${whole(test.step)}, on ${test.split}`
    setText(this.#label, text)
    this.#slider.setAttribute('aria-valuetext', text)
    const form = JSON.stringify([this.#run, galleries])
    if (form === this.#shown) return
    this.#shown = form
    this.#list.replaceChildren(...galleries.map(gallery => this.#row(gallery)))
  }

  #row({ expert, strip, images }: Gallery): HTMLElement {
    const names = images.map(({ classes }) => classes.join(' and ') || 'no class')
    const weights = images.map(({ weight }) => weight)
    const said = images.map(
      ({ image, weight }, i) => `${names[i]} (image ${image}, weight ${percent(weight)})`,
    )
    const alt = images.length === 0 ? `images of expert ${expert}` : said.join(', ')
    const picture =
      strip === null
        ? []
        : [
            element('img', {
              src: `api/runs/${this.#run}/strips/${strip}`,
              alt,
              width: '588',
              height: '96',
              loading: 'lazy',
            }),
          ]
    const counts = new Map<string, number>()
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
    const listed = Array.from(counts, ([name, count]) => (count === 1 ? name : `${name} ×${count}`)).join(
      ', ',
    )
    const [low, high] = [Math.min(...weights), Math.max(...weights)]
    const range =
      images.length === 0
        ? 'no image chose it'
        : `${listed}; weight ${percent(high)}${low === high ? '' : ` to ${percent(low)}`}`
    return element(
      'li',
      { class: 'gallery' },
      chip(expert),
      ...picture,
      element(
        'p',
        { class: 'small muted', ...(strip === null ? {} : { 'aria-hidden': 'true' }) },
        strip !== null && images.length === 0 ? '' : range,
      ),
    )
  }
}
