import type { Overview, RunRow } from '../../src/watch/protocol.ts'
import type { Settings } from './settings.ts'

/** Runs that are shown before anything was chosen. */
const mostAtFirst = 8

/** The page's runs: which there are, which are selected and in what colours, and which one is in focus. */
export class ShownRuns {
  overview: Overview = { folders: [], keys: [], runs: [], limited: null }
  readonly #rows = new Map<string, RunRow>()
  readonly #colours = new Map<string, number>()

  constructor(readonly settings: Settings) {}

  get all(): readonly RunRow[] {
    return [...this.#rows.values()]
  }

  /** Those with a folder. */
  get selectable(): readonly RunRow[] {
    return this.all.filter(({ state }) => state !== 'planned')
  }

  row(id: string): RunRow | undefined {
    return this.#rows.get(id)
  }

  replace(overview: Overview): void {
    this.overview = overview
    this.#rows.clear()
    for (const row of overview.runs) this.#rows.set(row.id, row)
  }

  change(rows: readonly RunRow[]): void {
    for (const row of rows) if (this.#rows.has(row.id)) this.#rows.set(row.id, row)
  }

  /** Selected runs in the order of the list; before anything was chosen, those that train, and of the others some. */
  get selected(): readonly RunRow[] {
    const { runs } = this.settings
    const all = this.selectable
    if (runs !== undefined) return all.filter(({ name }) => runs.has(name))
    const training = all.filter(({ state }) => state === 'training' || state === 'preparing')
    const others = all.filter(row => !training.includes(row))
    const room = Math.max(0, mostAtFirst - training.length)
    // Spread over the list: neighbours in a sweep differ in their seeds alone.
    const spread = others.filter(
      (_, i) => Math.floor(((i + 1) * room) / others.length) > Math.floor((i * room) / others.length),
    )
    const chosen = new Set([...training.slice(0, mostAtFirst), ...(room >= others.length ? others : spread)])
    return all.filter(row => chosen.has(row) || row.name === this.settings.focus)
  }

  get focused(): RunRow | undefined {
    const { selected } = this
    const { focus } = this.settings
    return (
      this.selectable.find(({ name }) => name === focus) ??
      selected.find(({ state }) => state === 'training') ??
      selected[0]
    )
  }

  select(row: RunRow, isSelected: boolean): void {
    const names = new Set(this.selected.map(({ name }) => name))
    if (isSelected) names.add(row.name)
    else names.delete(row.name)
    this.settings.runs = names
  }

  /** A run's colour, the same as long as it is selected: of those that no other has. */
  colourOf(id: string): number {
    const known = this.#colours.get(id)
    if (known !== undefined) return known
    const selected = new Set(this.selected.map(row => row.id))
    for (const other of this.#colours.keys()) if (!selected.has(other)) this.#colours.delete(other)
    const taken = new Set(this.#colours.values())
    let free = 0
    while (taken.has(free)) free += 1
    this.#colours.set(id, free)
    return free
  }
}
