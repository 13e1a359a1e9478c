import type { RunRow } from '../../src/watch/protocol.ts'
import { byId, element, setText } from '../views/elements.ts'
import type { ShownRuns } from './shown-runs.ts'
import { duration, measure, progress, short, shortKey, stateText, whole } from './text.ts'

/** Values of keys that are shown of each run. */
const mostValues = 4

const stateOrder = ['training', 'preparing', 'crashed', 'failed', 'stopped', 'finished', 'planned']

/** What the list reports. */
export interface ListListener {
  selected(row: RunRow, isSelected: boolean): void
  focused(row: RunRow): void
}

/** The list of runs: selection, state, progress, score, and the values in which they differ. */
export class RunList {
  readonly #list = byId('runs', HTMLUListElement)
  readonly #filter = byId('filter', HTMLInputElement)
  readonly #order = byId('order', HTMLSelectElement)
  readonly #items = new Map<string, RunItem>()

  constructor(
    readonly runs: ShownRuns,
    readonly listener: ListListener,
  ) {
    this.#filter.addEventListener('input', () => this.show())
    this.#order.addEventListener('change', () => this.show())
  }

  /** Runs that pass the filter. */
  get passing(): readonly RunRow[] {
    const words = this.#filter.value.toLocaleLowerCase().split(/\s+/).filter(Boolean)
    const texts = ({ name, state, values }: RunRow): string =>
      [name, state, ...Object.values(values)].join(' ').toLocaleLowerCase()
    return this.runs.all.filter(row => words.every(word => texts(row).includes(word)))
  }

  show(): void {
    const rows = [...this.passing]
    if (this.#order.value === 'score') rows.sort((a, b) => (b.score?.value ?? -1) - (a.score?.value ?? -1))
    else if (this.#order.value === 'state')
      rows.sort((a, b) => stateOrder.indexOf(a.state) - stateOrder.indexOf(b.state))
    const selected = new Set(this.runs.selected.map(({ id }) => id))
    const focus = this.runs.focused?.id
    for (const [id, item] of this.#items) {
      if (rows.some(row => row.id === id)) continue
      item.place.remove()
      this.#items.delete(id)
    }
    for (const [place, row] of rows.entries()) {
      let item = this.#items.get(row.id)
      if (item === undefined) {
        item = new RunItem(this.listener)
        this.#items.set(row.id, item)
      }
      const isSelected = selected.has(row.id)
      item.show(row, this.runs.overview.keys, {
        isSelected,
        isFocused: row.id === focus,
        colour: isSelected ? this.runs.colourOf(row.id) : undefined,
      })
      // Moved only where the order is another: a moved element loses the focus.
      if (this.#list.children[place] !== item.place)
        this.#list.insertBefore(item.place, this.#list.children[place] ?? null)
    }
  }

  focusFilter(): void {
    this.#filter.focus()
  }
}

class RunItem {
  readonly place = element('li', { class: 'run-item' })
  readonly #box = element('input', { type: 'checkbox' })
  readonly #swatch = element('i', { class: 'swatch' })
  readonly #name = element('button', { type: 'button', class: 'plain name' })
  readonly #state = element('span', { class: 'state' })
  readonly #bar = element('i', { class: 'bar-fill' })
  readonly #facts = element('p', { class: 'facts num' })
  readonly #values = element('p', { class: 'values' })
  #row: RunRow | undefined

  constructor(listener: ListListener) {
    this.#box.addEventListener('change', () => {
      if (this.#row !== undefined) listener.selected(this.#row, this.#box.checked)
    })
    this.#name.addEventListener('click', () => {
      if (this.#row !== undefined) listener.focused(this.#row)
    })
    this.place.append(
      element('label', { class: 'box' }, this.#box, this.#swatch),
      element('div', { class: 'run-head' }, this.#name, this.#state),
      element('span', { class: 'bar-line', 'aria-hidden': 'true' }, this.#bar),
      this.#facts,
      this.#values,
    )
  }

  show(
    row: RunRow,
    keys: readonly string[],
    {
      isSelected,
      isFocused,
      colour,
    }: { isSelected: boolean; isFocused: boolean; colour: number | undefined },
  ): void {
    this.#row = row
    this.#box.checked = isSelected
    this.#box.disabled = row.state === 'planned'
    this.#box.setAttribute('aria-label', `show ${row.name}`)
    this.#swatch.className = colour === undefined ? 'swatch none' : `swatch e${colour % 16}`
    setText(this.#name, row.name)
    this.#name.disabled = row.state === 'planned'
    this.#name.title = row.name
    this.#name.setAttribute('aria-pressed', String(isFocused))
    setText(this.#state, row.state)
    this.#state.className = `state ${row.state}`
    this.#state.title = stateText(row)
    this.#bar.style.width = `${(100 * progress(row)).toFixed(1)}%`
    this.place.classList.toggle('focused', isFocused)
    this.place.dataset.state = row.state
    this.place.dataset.name = row.name
    const facts = element('span', {}, factsOf(row))
    const alarm =
      row.alarm === null ? [] : [element('span', { class: 'alarm', title: row.alarm }, 'collapse')]
    const report =
      row.hasReport && row.state !== 'planned'
        ? [element('a', { href: `runs/${row.id}/report.html`, target: '_blank', rel: 'noopener' }, 'report')]
        : []
    const content = [facts, ...alarm, ...report]
    const text = content.map(one => one.textContent).join(' ')
    if (this.#facts.dataset.text !== text) {
      this.#facts.dataset.text = text
      this.#facts.replaceChildren(...content.flatMap((one, i) => (i === 0 ? [one] : [' · ', one])))
    }
    const values = keys
      .flatMap(key => {
        const value = row.values[key]
        return value === undefined || value === 'null' ? [] : [`${shortKey(key)} ${value}`]
      })
      .slice(0, mostValues)
    setText(this.#values, values.join(' · '))
    this.#values.title = values.join('\n')
  }
}

/** `62 % · top-1 40.6 % · 39 img/s · 2 min left` */
function factsOf(row: RunRow): string {
  const { state, step, steps, score, loss, imagesPerSecond, secondsLeft } = row
  if (state === 'planned') return 'not begun'
  if (state === 'preparing') return row.why ?? 'preparing data and network'
  const parts = [
    steps === null || state === 'finished' ? `step ${whole(step)}` : `${Math.floor(100 * progress(row))} %`,
  ]
  if (score !== null) parts.push(`${score.label} ${measure(score.name, score.value)}`)
  else if (loss !== null) parts.push(`loss ${short(loss)}`)
  if (state === 'training') {
    if (imagesPerSecond !== null) parts.push(`${short(imagesPerSecond)} img/s`)
    if (secondsLeft !== null) parts.push(`${duration(secondsLeft)} left`)
  }
  return parts.join(' · ')
}
