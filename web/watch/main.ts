import { differingKeys } from '../../src/watch/differences.ts'
import type { Overview, RunRow } from '../../src/watch/protocol.ts'
import { byId, element, setText } from '../views/elements.ts'
import { Cards } from './cards.ts'
import { Charts } from './charts.ts'
import { RunList } from './run-list.ts'
import { RunPanel } from './run-panel.ts'
import { readSettings, writeSettings } from './settings.ts'
import { ShownRuns } from './shown-runs.ts'
import { Store, type Zoom } from './store.ts'
import { Stream } from './stream.ts'
import { wide } from './tables.ts'
import { whole } from './text.ts'

/** Milliseconds between two questions for what has changed. */
const pace = 900

/** Configurations in the table of differences. */
const mostColumns = 24

const root = document.documentElement

/** The page: what the server says, what is selected, and what shows it. */
class Dashboard {
  readonly #settings = readSettings(location.hash)
  readonly #runs = new ShownRuns(this.#settings)
  readonly #store = new Store()
  readonly #list: RunList
  readonly #charts: Charts
  readonly #cards: Cards
  readonly #panel: RunPanel
  /** Runs of which there is something new. */
  readonly #changed = new Set<string>()
  #isAsking = false
  #timer: ReturnType<typeof setTimeout> | undefined
  #isDrawing = false

  constructor() {
    const zoom = (range: Zoom | undefined): void => void this.#look(range)
    const focus = (row: RunRow): void => this.#focus(row)
    this.#charts = new Charts(this.#runs, this.#store, zoom)
    this.#cards = new Cards(this.#runs, this.#store, focus)
    this.#panel = new RunPanel(this.#store, zoom)
    this.#list = new RunList(this.#runs, {
      selected: (row, isSelected) => this.#choose(() => this.#runs.select(row, isSelected)),
      focused: row => {
        this.#focus(row)
        if (!this.#runs.selected.includes(row)) this.#choose(() => this.#runs.select(row, true))
      },
    })
    this.#listen()
    new Stream({
      overview: overview => this.#replace(overview),
      runs: rows => this.#change(rows),
      connected: isConnected => {
        root.dataset.link = isConnected ? 'live' : 'lost'
        setText(byId('link', HTMLElement), isConnected ? 'live' : 'no connection: trying again')
      },
    })
  }

  #listen(): void {
    const settings = this.#settings
    const smoothing = byId('smoothing', HTMLInputElement)
    const [log, more] = [byId('log', HTMLInputElement), byId('more', HTMLInputElement)]
    smoothing.value = String(settings.smoothing)
    log.checked = settings.isLog
    more.checked = settings.isMore
    const said = byId('smoothing-text', HTMLOutputElement)
    setText(said, settings.smoothing.toFixed(2))
    smoothing.addEventListener('input', () => {
      settings.smoothing = Number(smoothing.value)
      setText(said, settings.smoothing.toFixed(2))
      this.#remember()
    })
    log.addEventListener('change', () => {
      settings.isLog = log.checked
      this.#remember()
    })
    more.addEventListener('change', () => {
      settings.isMore = more.checked
      this.#remember()
    })
    const layer = byId('layer', HTMLSelectElement)
    layer.addEventListener('change', () => {
      settings.layer = layer.value
      this.#remember()
    })
    byId('whole', HTMLButtonElement).addEventListener('click', () => void this.#look(undefined))
    byId('all', HTMLButtonElement).addEventListener('click', () =>
      this.#choose(() => {
        const passing = this.#list.passing.filter(({ state }) => state !== 'planned')
        settings.runs = new Set([...this.#runs.selected, ...passing].map(({ name }) => name))
      }),
    )
    byId('none', HTMLButtonElement).addEventListener('click', () =>
      this.#choose(() => {
        settings.runs = new Set()
      }),
    )
    document.addEventListener('keydown', event => {
      const isTyping =
        event.target instanceof HTMLElement && event.target.matches('input:not([type=checkbox]), select')
      if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        byId('runs-box', HTMLDetailsElement).open = true
        this.#list.focusFilter()
      } else if (event.key === 'l' || event.key === 'L') log.click()
    })
    document.addEventListener('visibilitychange', () => this.#plan(0))
    const narrow = matchMedia('(max-width: 60rem)')
    byId('runs-box', HTMLDetailsElement).open = !narrow.matches
  }

  #replace(overview: Overview): void {
    this.#runs.replace(overview)
    this.#store.keep(new Set(overview.runs.map(({ id }) => id)))
    for (const { id } of overview.runs) this.#changed.add(id)
    this.#draw()
    this.#plan(0)
  }

  #change(rows: readonly RunRow[]): void {
    this.#runs.change(rows)
    for (const { id } of rows) this.#changed.add(id)
    this.#draw()
    this.#plan(pace)
  }

  #choose(change: () => void): void {
    change()
    this.#remember()
    for (const { id } of this.#runs.selected) this.#changed.add(id)
    this.#plan(0)
  }

  #focus(row: RunRow): void {
    this.#settings.focus = row.name
    this.#changed.add(row.id)
    this.#remember()
    this.#plan(0)
  }

  /** Puts what is chosen into the address, and shows it. */
  #remember(): void {
    history.replaceState(null, '', writeSettings(this.#settings) || location.pathname)
    this.#draw()
  }

  async #look(zoom: Zoom | undefined): Promise<void> {
    const looking = this.#store.look(
      zoom,
      this.#runs.selected.map(({ id }) => id),
      Math.max(256, innerWidth),
    )
    this.#draw()
    await looking
    this.#draw()
  }

  /** Asks for what has changed, soon, and once at a time. */
  #plan(milliseconds: number): void {
    if (milliseconds === 0) clearTimeout(this.#timer)
    else if (this.#timer !== undefined) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#ask()
    }, milliseconds)
  }

  async #ask(): Promise<void> {
    if (this.#isAsking || document.hidden) return
    this.#isAsking = true
    try {
      const selected = this.#runs.selected.map(({ id }) => id)
      const focused = this.#runs.focused?.id
      const shown = [...new Set([...selected, ...(focused === undefined ? [] : [focused])])]
      const due = shown.filter(id => this.#changed.has(id))
      for (const id of due) this.#changed.delete(id)
      const layers = new Set(this.#cards.rows.map(({ id }) => id))
      if (focused !== undefined) layers.add(focused)
      const missing = [...layers].filter(id => (this.#store.wholeCurves(id)?.layers.length ?? 0) === 0)
      await this.#store.update([...new Set([...due, ...missing])], layers)
      if (focused !== undefined && (due.includes(focused) || this.#store.details(focused) === undefined))
        await this.#store.updateDetails(focused)
      // Runs of a log with shares for epochs alone have them in their details.
      for (const id of missing) {
        const curves = this.#store.wholeCurves(id)
        if (
          id !== focused &&
          curves?.isWhole &&
          curves.layers.length === 0 &&
          this.#store.details(id) === undefined
        )
          await this.#store.updateDetails(id)
      }
      const isPartial = shown.some(id => this.#store.wholeCurves(id)?.isWhole === false)
      if (isPartial)
        for (const id of shown) if (this.#store.wholeCurves(id)?.isWhole === false) this.#changed.add(id)
      this.#draw()
      if (isPartial) this.#plan(pace * 2)
    } finally {
      this.#isAsking = false
      if ([...this.#changed].some(id => this.#runs.selected.some(row => row.id === id))) this.#plan(pace)
    }
  }

  /** Draws before the next frame. */
  #draw(): void {
    if (this.#isDrawing) return
    this.#isDrawing = true
    const draw = (): void => {
      this.#isDrawing = false
      this.#show()
    }
    if (document.hidden) setTimeout(draw)
    else requestAnimationFrame(draw)
  }

  #show(): void {
    const { all, selectable, focused, selected } = this.#runs
    const { zoom } = this.#store
    this.#summary(all)
    this.#list.show()
    this.#charts.show()
    this.#cards.show()
    this.#panel.show(focused, focused && this.#cards.layerOf(focused.id))
    this.#differences(selected)
    byId('empty', HTMLElement).hidden = selectable.length > 0
    byId('charts', HTMLElement).hidden = selectable.length === 0
    const { folders, limited } = this.#runs.overview
    setText(
      byId('empty-text', HTMLElement),
      `There is no run in ${folders.join(', ') || 'the folder'} yet. It is shown here as soon as one begins, as by: moiety train --out ${folders[0] ?? 'runs'}/NAME`,
    )
    const notice = byId('limited', HTMLElement)
    notice.hidden = limited === null
    setText(notice, limited ?? '')
    byId('whole', HTMLButtonElement).disabled = zoom === undefined
    setText(
      byId('zoomed', HTMLElement),
      zoom === undefined ? '' : `Steps ${whole(zoom.from)} to ${whole(zoom.to)}, every one that was logged.`,
    )
    root.dataset.state = 'ready'
    root.dataset.runs = String(all.length)
    root.dataset.selected = String(selected.length)
    root.dataset.focus = focused?.name ?? ''
    root.dataset.step = String(focused?.step ?? 0)
    root.dataset.shown = String((focused && this.#store.wholeCurves(focused.id)?.steps.at(-1)) ?? 0)
  }

  #summary(rows: readonly RunRow[]): void {
    const counts = new Map<string, number>()
    for (const { state } of rows) counts.set(state, (counts.get(state) ?? 0) + 1)
    const alarms = rows.filter(({ alarm }) => alarm !== null).length
    const parts = Array.from(counts, ([state, count]) => `${whole(count)} ${state}`)
    if (alarms > 0) parts.push(`${whole(alarms)} with collapse`)
    setText(byId('summary', HTMLElement), rows.length === 0 ? 'no run yet' : parts.join(' · '))
    document.title = `${this.#runs.overview.folders.join(', ')} – Moiety watch`
  }

  /** A row for each key in which the selected runs differ, a column for each run. */
  #differences(selected: readonly RunRow[]): void {
    const rows = selected.slice(0, mostColumns)
    const keys = differingKeys(
      rows.map(({ values }) => new Map(Object.entries(values))),
      this.#runs.overview.keys,
    )
    const section = byId('differences', HTMLElement)
    section.hidden = rows.length < 2 || keys.length === 0
    const form = JSON.stringify([keys, rows.map(({ name, values }) => [name, values])])
    if (section.dataset.form === form) return
    section.dataset.form = form
    const head = rows.map(row =>
      element(
        'th',
        { scope: 'col' },
        element('i', { class: `swatch e${this.#runs.colourOf(row.id) % 16}` }),
        row.name,
      ),
    )
    const table = element(
      'table',
      {},
      element('thead', {}, element('tr', {}, element('th', { scope: 'col' }, 'Key'), ...head)),
      element(
        'tbody',
        {},
        ...keys.map(key =>
          element(
            'tr',
            {},
            element('th', { scope: 'row' }, key),
            ...rows.map(({ values }) => element('td', {}, values[key] ?? '–')),
          ),
        ),
      ),
    )
    byId('differences-table', HTMLDivElement).replaceChildren(wide('In what these runs differ', table))
  }
}

new Dashboard()
