import type { RunRow } from '../../src/watch/protocol.ts'
import { byId, element, setText } from '../views/elements.ts'
import { SharesView } from '../views/shares.ts'
import { commonLayer, shownLayer } from './layers.ts'
import { sharesOf } from './share-history.ts'
import type { ShownRuns } from './shown-runs.ts'
import type { Store } from './store.ts'
import { measure, stateText, whole } from './text.ts'

/** Cards at once: each is a picture. */
export const mostCards = 16

/** Experts' shares of each selected run, one picture a run: where gates collapse is seen at a glance. */
export class Cards {
  readonly #place = byId('cards', HTMLDivElement)
  readonly #more = byId('cards-more', HTMLParagraphElement)
  readonly #layer = byId('layer', HTMLSelectElement)
  readonly #cards = new Map<string, Card>()

  constructor(
    readonly runs: ShownRuns,
    readonly store: Store,
    readonly onFocus: (row: RunRow) => void,
  ) {}

  /** The layer of a run that is shown. */
  layerOf(id: string): string | undefined {
    return shownLayer(this.#layersOf(id), this.#layer.value)
  }

  /** The runs whose mixtures are shown. */
  get rows(): readonly RunRow[] {
    return this.runs.selected.slice(0, mostCards)
  }

  show(): void {
    const { rows } = this
    const each = rows.map(({ id }) => this.#layersOf(id))
    const layers = [...new Set(each.flat())]
    this.#choose(layers, commonLayer(each))
    const section = byId('experts', HTMLElement)
    section.hidden = layers.length === 0
    const isWide = rows.length === 1
    this.#place.dataset.count = String(rows.length)
    for (const [id, card] of this.#cards) {
      if (rows.some(row => row.id === id)) continue
      card.place.remove()
      this.#cards.delete(id)
    }
    const spans = rows.map(row => row.steps ?? row.step)
    const { zoom } = this.store
    for (const [place, row] of rows.entries()) {
      let card = this.#cards.get(row.id)
      if (card === undefined) {
        card = new Card(this.onFocus)
        this.#cards.set(row.id, card)
      }
      if (this.#place.children[place] !== card.place)
        this.#place.insertBefore(card.place, this.#place.children[place] ?? null)
      const curves = this.store.curves(row.id)
      const span = isWide ? spans[place]! : Math.max(...spans)
      const layer = this.layerOf(row.id)
      const history = sharesOf(curves, this.store.details(row.id), layer)
      const isOther = layer !== undefined && layer !== this.#layer.value
      card.show(row, this.runs.colourOf(row.id), isOther ? layer : undefined, {
        ...history,
        from: zoom?.from ?? 0,
        to: zoom?.to ?? Math.max(1, span),
      })
    }
    const rest = this.runs.selected.length - rows.length
    setText(
      this.#more,
      rest > 0 ? `and ${rest} more selected runs, whose shares are shown when they are in focus` : '',
    )
  }

  #layersOf(id: string): string[] {
    const curves = this.store.wholeCurves(id)?.layers.map(({ name }) => name) ?? []
    const details =
      this.store
        .details(id)
        ?.epochs.at(-1)
        ?.layers.map(({ name }) => name) ?? []
    return [...new Set([...curves, ...details])]
  }

  #choose(layers: readonly string[], usual: string | undefined): void {
    const { settings } = this.runs
    const known = [...this.#layer.options].map(option => option.value)
    if (known.join('\n') !== layers.join('\n'))
      this.#layer.replaceChildren(...layers.map(name => element('option', { value: name }, name)))
    const wanted = settings.layer !== undefined && layers.includes(settings.layer) ? settings.layer : usual
    if (wanted !== undefined) this.#layer.value = wanted
    byId('layer-label', HTMLLabelElement).hidden = layers.length < 2
  }
}

class Card {
  readonly place = element('figure', { class: 'card' })
  readonly #swatch = element('i', { class: 'swatch' })
  readonly #name = element('button', { type: 'button', class: 'plain name' })
  readonly #facts = element('span', { class: 'facts num' })
  readonly #canvas = element('canvas', { role: 'img' })
  readonly #shares: SharesView
  #row: RunRow | undefined

  constructor(onFocus: (row: RunRow) => void) {
    this.#name.addEventListener('click', () => {
      if (this.#row !== undefined) onFocus(this.#row)
    })
    this.place.append(element('figcaption', {}, this.#swatch, this.#name, this.#facts), this.#canvas)
    this.#shares = new SharesView(this.#canvas)
  }

  /** @param layer - named where it is not the selected one */
  show(
    row: RunRow,
    colour: number,
    layer: string | undefined,
    history: Parameters<SharesView['show']>[0],
  ): void {
    this.#row = row
    this.#swatch.className = `swatch e${colour % 16}`
    setText(this.#name, row.name)
    this.#name.title = stateText(row)
    const facts = [
      row.state === 'training' ? `step ${whole(row.step)}` : row.state,
      ...(row.score === null ? [] : [measure(row.score.name, row.score.value)]),
      ...(row.alarm === null ? [] : ['⚠ collapse']),
      ...(layer === undefined ? [] : [layer]),
    ]
    setText(this.#facts, facts.join(' · '))
    this.place.classList.toggle('alarmed', row.alarm !== null)
    this.#shares.show(history)
  }
}
