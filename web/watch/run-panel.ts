import type { EpochRow, RunDetails, RunRow, StepCurves } from '../../src/watch/protocol.ts'
import { byId, chip, element, percent, setText } from '../views/elements.ts'
import { Chart } from './chart.ts'
import { ExclusionsView } from './exclusions.ts'
import { GalleriesView } from './galleries.ts'
import type { Store, Zoom } from './store.ts'
import { fillPairs, wide } from './tables.ts'
import { duration, measure, short, titleOf, whole } from './text.ts'

/** Everything about the run in focus: facts, alarms, galleries, counters, tests, configuration. */
export class RunPanel {
  readonly #place = byId('run', HTMLElement)
  readonly #title = element('h2', { id: 'run-title' })
  readonly #state = element('span', { class: 'state' })
  readonly #why = element('p', { class: 'notice' })
  readonly #facts = element('dl', { class: 'run-facts' })
  readonly #alarms = element('details', { class: 'alarms' })
  readonly #galleries = new GalleriesView()
  readonly #galleryBlock = block(
    'Images of each expert',
    'At each test, the held-out images with the most gate weight of each expert.',
    this.#galleries.place,
  )
  readonly #counters = element('div', { class: 'chart-grid' })
  readonly #counterBlock = block(
    'Counters of the constraint',
    'The state of a hard constraint after each step; one line an expert.',
    this.#counters,
  )
  readonly #charts = new Map<string, Chart>()
  readonly #exclusionCanvas = element('canvas', { role: 'img', class: 'exclusions' })
  readonly #exclusions = new ExclusionsView(this.#exclusionCanvas)
  readonly #exclusionBlock = block(
    'Excluded steps',
    'Steps in which the constraint excluded an expert; the stronger, the more of the steps.',
    this.#exclusionCanvas,
  )
  readonly #tests = element('table')
  readonly #testsBlock = element(
    'details',
    {},
    element('summary', {}, 'Epochs and tests, as numbers'),
    wide('Epochs and tests', this.#tests),
  )
  readonly #config = element('table')
  readonly #configBlock = element(
    'details',
    {},
    element('summary', {}, 'Configuration'),
    wide('Configuration', this.#config),
  )
  readonly #environment = element('table')
  readonly #environmentBlock = element(
    'details',
    {},
    element('summary', {}, 'Environment'),
    wide('Environment', this.#environment),
  )
  #shown = ''

  constructor(
    readonly store: Store,
    readonly onZoom: (zoom: Zoom | undefined) => void,
  ) {
    this.#place.append(
      element('div', { class: 'section-head' }, this.#title, this.#state),
      this.#why,
      this.#facts,
      this.#alarms,
      this.#galleryBlock,
      this.#exclusionBlock,
      this.#counterBlock,
      this.#testsBlock,
      this.#configBlock,
      this.#environmentBlock,
    )
  }

  show(row: RunRow | undefined, layer: string | undefined): void {
    this.#place.hidden = row === undefined
    if (row === undefined) return
    const details = this.store.details(row.id)
    const curves = this.store.curves(row.id)
    setText(this.#title, row.name)
    setText(this.#state, row.state)
    this.#state.className = `state ${row.state}`
    setText(this.#why, row.why ?? '')
    this.#why.hidden = row.why === null
    this.#showFacts(row, details, curves)
    this.#showAlarms(details)
    const hasTests =
      (details?.tests.length ?? 0) > 0 || (details?.epochs.some(one => one.layers.length > 0) ?? false)
    this.#galleryBlock.hidden = !hasTests
    this.#galleries.show(row.id, details?.tests ?? [], layer, details?.noPictures ?? null)
    this.#showConstraint(row, curves, layer)
    // Tables are made again only where something in them is new.
    const form = JSON.stringify([row.id, details?.epochs.length, details?.config, layer])
    if (form === this.#shown) return
    this.#shown = form
    this.#showTests(details?.epochs ?? [], layer)
    fillPairs(this.#config, Object.entries(details?.config ?? {}))
    fillPairs(this.#environment, Object.entries(details?.environment ?? {}))
  }

  #showFacts(row: RunRow, details: RunDetails | undefined, curves: StepCurves | undefined): void {
    const { step, steps, epoch, epochs, score, loss, imagesPerSecond, secondsLeft } = row
    const log = details?.log
    const trained = details?.epochs.filter(({ split }) => split === 'train') ?? []
    const seconds = trained.reduce((sum, one) => sum + (one.seconds ?? 0), 0)
    const best = bestOf(details?.epochs ?? [], score?.name)
    const facts: (readonly [string, string | Node])[] = [
      ['Step', steps === null ? whole(step) : `${whole(step)} of ${whole(steps)}`],
      ['Epoch', epochs === null ? whole(epoch) : `${whole(epoch)} of ${whole(epochs)}`],
    ]
    if (score !== null) facts.push([`${score.label} (${score.split})`, measure(score.name, score.value)])
    if (best !== undefined && score !== null && best.value > score.value)
      facts.push(['Best', `${measure(score.name, best.value)} after epoch ${best.epoch + 1}`])
    if (loss !== null) facts.push(['Loss', short(loss)])
    if (imagesPerSecond !== null) facts.push(['Throughput', `${short(imagesPerSecond)} images/s`])
    if (secondsLeft !== null) facts.push(['Time left', duration(secondsLeft)])
    if (seconds > 0) facts.push(['Trained for', duration(seconds)])
    if (log !== undefined) facts.push(['Log', logText(log, curves)])
    if (row.hasReport)
      facts.push([
        'Report',
        element(
          'a',
          { href: `runs/${row.id}/report.html`, target: '_blank', rel: 'noopener' },
          'what its experts do',
        ),
      ])
    else if (row.state === 'finished') facts.push(['Report', 'none yet: moiety explain writes it'])
    const made = facts.map(([name, value]) =>
      element('div', {}, element('dt', {}, name), element('dd', { class: 'num' }, value)),
    )
    const text = made.map(({ textContent }) => textContent).join('\n')
    if (this.#facts.dataset.text === text) return
    this.#facts.dataset.text = text
    this.#facts.replaceChildren(...made)
  }

  #showAlarms(details: RunDetails | undefined): void {
    const alarms = details?.alarms ?? []
    this.#alarms.hidden = alarms.length === 0
    const form = String(alarms.length)
    if (this.#alarms.dataset.count === form) return
    this.#alarms.dataset.count = form
    const last = alarms.at(-1)
    this.#alarms.replaceChildren(
      element(
        'summary',
        {},
        `⚠ ${alarms.length === 1 ? 'One alarm' : `${alarms.length} alarms`}; the last after epoch ${(last?.epoch ?? 0) + 1}, ${last?.layer}: ${last?.message}`,
      ),
      element(
        'ol',
        {},
        ...alarms
          .slice(-200)
          .toReversed()
          .map(({ epoch, layer, message }) =>
            element('li', {}, `after epoch ${epoch + 1}, ${layer}: ${message}`),
          ),
      ),
    )
  }

  #showConstraint(row: RunRow, curves: StepCurves | undefined, layer: string | undefined): void {
    const own = curves?.layers.find(({ name }) => name === layer)
    const { zoom } = this.store
    const range = { from: zoom?.from ?? 0, to: zoom?.to ?? Math.max(1, row.steps ?? row.step) }
    const excluded = own?.excluded ?? null
    this.#exclusionBlock.hidden = excluded === null
    if (excluded !== null) {
      this.#exclusionCanvas.style.height = `${Math.min(320, 16 + 18 * (excluded.at(-1)?.length ?? 1))}px`
      this.#exclusions.show(curves?.steps ?? [], excluded, range)
    }
    const counters = Object.entries(own?.counters ?? {})
    this.#counterBlock.hidden = counters.length === 0
    for (const [name, chart] of this.#charts) {
      if (counters.some(([counter]) => counter === name)) continue
      chart.destroy()
      chart.place.remove()
      this.#charts.delete(name)
    }
    for (const [name, rows] of counters) {
      let chart = this.#charts.get(name)
      if (chart === undefined) {
        chart = new Chart({ title: `Counter ${name}`, onZoom: this.onZoom })
        this.#charts.set(name, chart)
        this.#counters.append(chart.place)
      }
      const experts = rows.at(-1)?.length ?? 0
      chart.show(
        Array.from({ length: experts }, (_, expert) => ({
          name: experts === 1 ? name : `expert ${expert}`,
          colour: `--e${expert % 16}`,
          steps: curves?.steps ?? [],
          values: rows.map(one => one[expert] ?? null),
        })),
        { zoom },
      )
    }
  }

  #showTests(epochs: readonly EpochRow[], layer: string | undefined): void {
    this.#testsBlock.hidden = epochs.length === 0
    const names = [...new Set(epochs.flatMap(({ measures }) => Object.keys(measures)))]
    const experts = Math.max(
      0,
      ...epochs.map(one => one.layers.find(({ name }) => name === layer)?.importance.length ?? 0),
    )
    const head = ['Epoch', 'On', 'Loss', ...names.map(titleOf), 'Seconds']
    const heads = head.map(text => element('th', { scope: 'col' }, text))
    const shares = Array.from({ length: experts }, (_, expert) =>
      element('th', { scope: 'col' }, chip(expert), element('span', { class: 'hidden-text' }, ' share')),
    )
    const rows = epochs
      .slice(-400)
      .toReversed()
      .map(({ epoch, split, loss, measures, seconds, layers }) => {
        const importance = layers.find(({ name }) => name === layer)?.importance ?? []
        const cells = [
          split,
          loss === null ? '–' : loss.toFixed(3),
          ...names.map(name => measure(name, measures[name])),
          seconds === null ? '–' : seconds.toFixed(1),
          ...Array.from({ length: experts }, (_, expert) =>
            importance[expert] == null ? '–' : percent(importance[expert]),
          ),
        ]
        return element(
          'tr',
          {},
          element('th', { scope: 'row' }, String(epoch + 1)),
          ...cells.map(text => element('td', {}, text)),
        )
      })
    this.#tests.replaceChildren(
      element('thead', {}, element('tr', {}, ...heads, ...shares)),
      element('tbody', {}, ...rows),
    )
  }
}

function block(title: string, help: string, ...content: readonly Node[]): HTMLElement {
  return element(
    'div',
    { class: 'block' },
    element('h3', {}, title),
    element('p', { class: 'muted small' }, help),
    ...content,
  )
}

function bestOf(
  epochs: readonly EpochRow[],
  name: string | undefined,
): { value: number; epoch: number } | undefined {
  let best: { value: number; epoch: number } | undefined
  for (const { split, measures, epoch } of epochs) {
    const value = name === undefined ? null : measures[name]
    if (split === 'train' || value === null || value === undefined) continue
    if (best === undefined || value > best.value) best = { value, epoch }
  }
  return best
}

function logText(log: RunDetails['log'], curves: StepCurves | undefined): string {
  if (!log.isWhole) return curves === undefined ? 'not read yet' : 'being read: single steps are shown'
  const parts = [`${whole(log.lines)} lines`]
  if (log.damaged > 0) {
    const more = log.damaged > log.damagedLines.length ? ', …' : ''
    parts.push(`${whole(log.damaged)} damaged (line ${log.damagedLines.map(whole).join(', ')}${more})`)
  }
  if (log.nonFinite > 0) parts.push(`${whole(log.nonFinite)} with values that are not finite`)
  if (log.repeated > 0) parts.push(`${whole(log.repeated)} steps taken again after a resume`)
  return parts.join('; ')
}
