import { byId } from '../../../web/views/elements.ts'

interface Stop {
  readonly title: string
  readonly text: string
  /** What is pointed at. */
  readonly at: string
}

/** Why gates collapse, in five steps. */
export const stops: readonly Stop[] = [
  {
    title: 'Some experts, and a gate',
    text: 'Both networks learn to tell drawings apart. In one stage each has four experts, and a gate that scores them for every image. Only the two with the highest scores compute it. The networks begin alike: same seed, same images.',
    at: '.run .shares-box',
  },
  {
    title: 'The first are chosen again',
    text: 'Experts begin at random, so some are a little better. The gate sends them more images, so they learn more and get better still. The others get no images, and learn nothing. The bands on the left show it: some vanish within a hundred steps.',
    at: '.run:first-child .shares-box',
  },
  {
    title: 'What a collapse looks like',
    text: 'Each point is an image, drawn to the experts that score highest for it. On the left points crowd at one or two corners, and empty galleries belong to experts that nobody asks. The network has paid for four experts and uses two.',
    at: '.run:first-child .map-box',
  },
  {
    title: 'A constraint',
    text: 'The run on the right has one difference: its loss also punishes unequal shares. All four bands stay. The experts come to prefer different classes: in the matrix, green is more of a class than of all images, brown is less.',
    at: '.run:last-child .matrix-box',
  },
  {
    title: 'Soft or hard',
    text: 'Choose “relative importance” for the second run: a hard constraint closes busy experts for a step. Shares stay equal while it trains, but a similar image may be sent to another expert each time, so experts learn more of everything: its curve of specialists stays lower. Then try more experts, no noise, or another seed.',
    at: '.controls .against',
  },
]

/** Leads through the page step by step; what it is about is outlined. */
export class Tour {
  #at = 0
  readonly #panel = byId('tour-panel', HTMLElement)
  #outlined: Element | undefined

  constructor() {
    byId('tour', HTMLElement).addEventListener('click', () => this.#go(0))
    byId('tour-next', HTMLElement).addEventListener('click', () => this.#go(this.#at + 1))
    byId('tour-back', HTMLElement).addEventListener('click', () => this.#go(this.#at - 1))
    byId('tour-end', HTMLElement).addEventListener('click', () => this.#end())
    this.#panel.addEventListener('keydown', event => {
      if (event.key === 'Escape') this.#end()
    })
  }

  #go(to: number): void {
    const stop = stops[to]
    if (stop === undefined) {
      this.#end()
      return
    }
    this.#at = to
    this.#panel.hidden = false
    this.#panel.querySelector('.kicker')!.textContent = `${to + 1} of ${stops.length}`
    this.#panel.querySelector('h2')!.textContent = stop.title
    this.#panel.querySelector('.text')!.textContent = stop.text
    byId('tour-back', HTMLButtonElement).disabled = to === 0
    byId('tour-next', HTMLButtonElement).textContent = to === stops.length - 1 ? 'Done' : 'Next'
    this.#outline(document.querySelector(stop.at) ?? undefined)
    byId('tour-next', HTMLElement).focus()
  }

  #end(): void {
    this.#panel.hidden = true
    this.#outline(undefined)
    byId('tour', HTMLElement).focus()
  }

  #outline(place: Element | undefined): void {
    this.#outlined?.classList.remove('outlined')
    this.#outlined = place
    place?.classList.add('outlined')
    place?.scrollIntoView({ block: 'nearest' })
  }
}
