import type { RunRow, StepCurves } from '../../src/watch/protocol.ts'
import { byId } from '../views/elements.ts'
import { Chart, type ChartLine } from './chart.ts'
import type { ShownRuns } from './shown-runs.ts'
import { smoothed } from './smoothing.ts'
import type { Store, Zoom } from './store.ts'
import { measure, titleOf } from './text.ts'

/** Runs up to which the range of a bucket's values is drawn. */
const mostBands = 4

/** Dashes of the second and later runs of a colour. */
const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [10, 3, 2, 3]]

/** Curves that are always shown, where a log has them: the loss, what ranks the runs, and the learning rate. */
const first = ['loss', '(score)', 'learningRate', 'gradientNorm']

/** Of no interest where they equal the loss. */
const last = ['taskLoss', 'auxLoss', 'weightNorm']

/** The curves of the selected runs. */
export class Charts {
  readonly #grid = byId('chart-grid', HTMLDivElement)
  readonly #charts = new Map<string, Chart>()

  constructor(
    readonly runs: ShownRuns,
    readonly store: Store,
    readonly onZoom: (zoom: Zoom | undefined) => void,
  ) {}

  show(): void {
    const rows = this.runs.selected
    const names = this.#names(rows)
    for (const [name, chart] of this.#charts) {
      if (names.includes(name)) continue
      chart.destroy()
      chart.place.remove()
      this.#charts.delete(name)
    }
    for (const [place, name] of names.entries()) {
      let chart = this.#charts.get(name)
      if (chart === undefined) {
        const { onZoom } = this
        const text = (value: number): string =>
          measure(name === '(score)' ? (this.#score(rows)?.name ?? '') : name, value)
        const isMeasure = name === '(score)' || name === 'top1' || name === 'top5'
        chart = new Chart({ title: titleOf(name), onZoom, ...(isMeasure ? { text } : {}) })
        chart.place.dataset.curve = name
        this.#charts.set(name, chart)
      }
      if (this.#grid.children[place] !== chart.place)
        this.#grid.insertBefore(chart.place, this.#grid.children[place] ?? null)
      const isScore = name === '(score)'
      chart.title = isScore
        ? this.#scoreTitle(rows)
        : `${titleOf(name)}${name === 'learningRate' ? '' : ' while training'}`
      const lines = rows.flatMap(row => this.#line(row, name, rows.length))
      const isLog = this.runs.settings.isLog && !isScore && name !== 'top1' && name !== 'top5'
      chart.show(lines, { isLog, zoom: this.store.zoom })
    }
  }

  #names(rows: readonly RunRow[]): string[] {
    const found = new Set(rows.flatMap(({ id }) => Object.keys(this.store.wholeCurves(id)?.curves ?? {})))
    const usual = first.filter(name =>
      name === '(score)' ? this.#score(rows) !== undefined : found.has(name),
    )
    if (!this.runs.settings.isMore) return usual
    const others = [...found].filter(name => !first.includes(name) && !last.includes(name))
    return [...usual, ...others, ...last.filter(name => found.has(name))]
  }

  #score(rows: readonly RunRow[]): RunRow['score'] | undefined {
    return rows.find(({ score }) => score !== null)?.score ?? undefined
  }

  #scoreTitle(rows: readonly RunRow[]): string {
    const scores = rows.flatMap(({ score }) => score ?? [])
    const all = (of: (score: NonNullable<RunRow['score']>) => string): string =>
      [...new Set(scores.map(of))].join(', ')
    return `${all(({ name }) => titleOf(name))} on held-out images (${all(({ split }) => split)})`
  }

  #line(row: RunRow, name: string, count: number): ChartLine[] {
    const curves = this.store.curves(row.id)
    if (curves === undefined) return []
    const number = this.runs.colourOf(row.id)
    const dash = dashes[Math.floor(number / 16) % dashes.length]!
    const look = { name: row.name, colour: `--e${number % 16}`, ...(dash.length === 0 ? {} : { dash }) }
    if (name === '(score)') return scoreLine(curves, this.#score([row])?.name ?? '', look)
    const curve = curves.curves[name]
    if (curve === undefined) return []
    const smoothing = name === 'learningRate' ? 0 : this.runs.settings.smoothing
    const values = smoothed(curve.mean, smoothing)
    const line = { ...look, steps: curves.steps, values }
    if (count > mostBands || name === 'learningRate') return [line]
    // Of single steps there is no range, but they differ from their smoothed mean.
    const isRough = smoothing > 0 && curve.min === undefined
    const [low, high] = isRough ? around(curve.mean) : [curve.min, curve.max]
    return low === undefined || high === undefined ? [line] : [{ ...line, low, high }]
  }
}

function scoreLine(
  { tests }: StepCurves,
  measured: string,
  look: Pick<ChartLine, 'name' | 'colour' | 'dash'>,
): ChartLine[] {
  if (tests.length === 0) return []
  const values = tests.map(({ measures }) => measures[measured] ?? null)
  return [{ ...look, steps: tests.map(({ step }) => step), values, hasPoints: true }]
}

/** The smallest and largest of a few values around each. */
function around(values: readonly (number | null)[]): [(number | null)[], (number | null)[]] {
  const reach = Math.max(1, Math.round(values.length / 150))
  const of = (better: (a: number, b: number) => number): (number | null)[] =>
    values.map((_, i) => {
      const near = values.slice(Math.max(0, i - reach), i + reach + 1).filter(value => value !== null)
      return near.length === 0 ? null : near.reduce((a, b) => better(a, b))
    })
  return [of(Math.min), of(Math.max)]
}
