import uPlot from 'uplot'
import { colour, onColours } from '../views/canvas.ts'
import { element, setText } from '../views/elements.ts'
import type { Zoom } from './store.ts'
import { short, tickTexts, whole } from './text.ts'

/** A line of a chart. Of `low` and `high` a band is drawn around it. */
export interface ChartLine {
  readonly name: string
  /** A variable of the style sheet, `--e0`. */
  readonly colour: string
  readonly dash?: readonly number[]
  readonly steps: readonly number[]
  readonly values: readonly (number | null)[]
  readonly low?: readonly (number | null)[]
  readonly high?: readonly (number | null)[]
  /** Single measurements, as of tests: each is a point. */
  readonly hasPoints?: boolean
}

export interface ChartOptions {
  readonly title: string
  readonly text?: (value: number) => string
  readonly height?: number
  /** A range was chosen; undefined for the whole length. */
  readonly onZoom?: (zoom: Zoom | undefined) => void
}

/** All charts have the same cursor. */
const together = uPlot.sync('steps')

/** Lines over steps, by uPlot, with a text alternative, a readout of the values at the cursor, and the keyboard. */
export class Chart {
  readonly place: HTMLElement
  readonly #body = element('div', { class: 'chart-body', role: 'img', tabindex: '0' })
  readonly #readout = element('p', { class: 'readout num', 'aria-hidden': 'true' })
  readonly #title = element('span')
  #plot: uPlot | undefined
  #lines: readonly ChartLine[] = []
  #form = ''
  #zoom: Zoom | undefined
  #isLog = false

  constructor(readonly options: ChartOptions) {
    setText(this.#title, options.title)
    this.place = element(
      'figure',
      { class: 'chart' },
      element('figcaption', {}, this.#title, this.#readout),
      this.#body,
    )
    new ResizeObserver(() => this.#fit()).observe(this.#body)
    onColours(() => this.#rebuild())
    this.#body.addEventListener('keydown', event => this.#press(event))
  }

  set title(text: string) {
    setText(this.#title, text)
  }

  show(
    lines: readonly ChartLine[],
    { isLog = false, zoom }: { isLog?: boolean; zoom?: Zoom | undefined } = {},
  ): void {
    this.#lines = lines
    this.#zoom = zoom
    this.#isLog = isLog
    const { title, text = short } = this.options
    const newest = lines.slice(0, 12).map(({ name, values }) => {
      const last = values.findLast(value => value !== null)
      return `${name} ${last === undefined || last === null ? 'nothing yet' : text(last)}`
    })
    const more = lines.length > 12 ? `, and ${lines.length - 12} more` : ''
    this.#body.setAttribute('aria-label', `${title} over steps; newest: ${newest.join(', ')}${more}`)
    // The form of a chart is that of its lines; their values are set without making it again.
    const form = JSON.stringify([
      isLog,
      lines.map(line => [line.name, line.colour, line.dash, line.low !== undefined, line.hasPoints]),
    ])
    if (form !== this.#form) {
      this.#form = form
      this.#rebuild()
    } else this.#plot?.setData(this.#data(), false)
    this.#scale()
  }

  destroy(): void {
    this.#plot?.destroy()
  }

  #data(): uPlot.AlignedData {
    const tables = this.#lines.map((line): uPlot.AlignedData => {
      const columns = [line.values, ...(line.low && line.high ? [line.low, line.high] : [])]
      const safe = columns.map(values =>
        values.map(value => (value === null || (this.#isLog && value <= 0) ? null : value)),
      )
      return [[...line.steps], ...safe] as uPlot.AlignedData
    })
    return tables.length === 0 ? [[]] : uPlot.join(tables)
  }

  #rebuild(): void {
    this.#plot?.destroy()
    this.#plot = undefined
    const width = this.#body.clientWidth
    if (width === 0) return
    this.#plot = new uPlot(this.#settings(width), this.#data(), this.#body)
    this.#scale()
  }

  #settings(width: number): uPlot.Options {
    const { text = short, height = 190 } = this.options
    const font = '11px system-ui, sans-serif'
    const axis = {
      stroke: colour('--muted'),
      font,
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    }
    const series: uPlot.Series[] = [{}]
    const bands: uPlot.Band[] = []
    const isMany = this.#lines.length > 12
    for (const line of this.#lines) {
      const stroke = colour(line.colour)
      series.push({
        label: line.name,
        stroke,
        width: isMany ? 1 : 1.75,
        alpha: isMany ? 0.7 : 1,
        ...(line.dash === undefined ? {} : { dash: [...line.dash] }),
        spanGaps: true,
        points: { show: line.hasPoints === true && line.values.length < 60, size: 5, fill: stroke, stroke },
      })
      if (line.low === undefined || line.high === undefined) continue
      const at = series.length
      const edge: uPlot.Series = {
        label: `${line.name} range`,
        width: 0,
        spanGaps: true,
        points: { show: false },
      }
      series.push(edge, edge)
      bands.push({ series: [at + 1, at], fill: `color-mix(in srgb, ${stroke} 16%, transparent)` })
    }
    return {
      ...{ width, height, series, bands },
      legend: { show: false },
      cursor: {
        sync: { key: together.key, setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        y: false,
        dataIdx: (plot, index, hovered) => (index === 0 ? hovered : nearest(plot.data[index], hovered)),
      },
      scales: {
        x: { time: false },
        y: { distr: this.#isLog ? 3 : 1, range: (_, low, high) => this.#rangeOfValues(low, high) },
      },
      axes: [
        {
          ...axis,
          size: 26,
          space: 60,
          values: (_, ticks) => ticks.map(tick => (Number.isInteger(tick) ? whole(tick) : '')),
        },
        {
          ...axis,
          size: 50,
          space: 34,
          values: (_, ticks) => tickTexts(ticks, text),
        },
      ],
      hooks: {
        setCursor: [plot => this.#read(plot)],
        setSelect: [
          plot => {
            const { left, width: wide } = plot.select
            if (wide < 8) return
            const [from, to] = [plot.posToVal(left, 'x'), plot.posToVal(left + wide, 'x')]
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
            this.options.onZoom?.({ from: Math.floor(from), to: Math.ceil(to) })
          },
        ],
        ready: [plot => plot.over.addEventListener('dblclick', () => this.options.onZoom?.(undefined))],
      },
    }
  }

  #rangeOfValues(low: number, high: number): [number, number] {
    if (low === null || high === null || !Number.isFinite(low)) return this.#isLog ? [0.1, 1] : [0, 1]
    if (this.#isLog) return [low / 1.1, high * 1.1]
    const room = 0.05 * (high - low || Math.abs(high) || 1)
    return [low >= 0 ? Math.max(0, low - room) : low - room, high + room]
  }

  /** Sets what is seen of the steps. */
  #scale(): void {
    const plot = this.#plot
    if (plot === undefined) return
    const ends = this.#lines.flatMap(({ steps }) => [steps[0] ?? 0, steps.at(-1) ?? 0])
    const [min, max] =
      this.#zoom === undefined
        ? [Math.min(0, ...ends), Math.max(1, ...ends)]
        : [this.#zoom.from, this.#zoom.to]
    plot.setScale('x', { min, max: max > min ? max : min + 1 })
  }

  #fit(): void {
    const width = this.#body.clientWidth
    if (this.#plot === undefined) this.#rebuild()
    else if (width > 0 && width !== this.#plot.width) this.#plot.setSize({ width, height: this.#plot.height })
  }

  /** The values at the cursor. */
  #read(plot: uPlot): void {
    const { idx } = plot.cursor
    const { text = short } = this.options
    if (idx === null || idx === undefined) {
      this.#readout.replaceChildren()
      return
    }
    const step = plot.data[0][idx]
    const parts: HTMLElement[] = []
    let at = 1
    for (const line of this.#lines) {
      const found = nearest(plot.data[at], idx)
      const value = found === null ? null : plot.data[at]?.[found]
      at += line.low === undefined || line.high === undefined ? 1 : 3
      if (value === null || value === undefined || parts.length >= 6) continue
      const swatch = element('i', { class: 'swatch' })
      swatch.style.background = `var(${line.colour})`
      parts.push(element('span', { title: line.name }, swatch, text(value)))
    }
    this.#readout.replaceChildren(
      element('span', {}, step === undefined ? '' : `step ${whole(step)}`),
      ...parts,
    )
  }

  #press(event: KeyboardEvent): void {
    const { onZoom } = this.options
    if (onZoom === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    const { min = 0, max = 1 } = this.#plot?.scales.x ?? {}
    const width = max - min
    const middle = (min + max) / 2
    const around = (size: number, at = middle): Zoom => ({
      from: Math.max(0, Math.floor(at - size / 2)),
      to: Math.ceil(Math.max(0, at - size / 2) + size),
    })
    const actions: Readonly<Record<string, () => Zoom | undefined>> = {
      '+': () => around(Math.max(2, width / 2)),
      '=': () => around(Math.max(2, width / 2)),
      '-': () => around(width * 2),
      ArrowLeft: () => around(width, middle - width / 4),
      ArrowRight: () => around(width, middle + width / 4),
      0: () => undefined,
      Escape: () => undefined,
    }
    const action = actions[event.key]
    if (action === undefined) return
    event.preventDefault()
    onZoom(action())
  }
}

/** The place nearest to another that has a value, a few places away at most. */
function nearest(values: ArrayLike<number | null | undefined> | undefined, at: number): number | null {
  if (values === undefined) return null
  for (let away = 0; away < 200; away++)
    for (const place of [at - away, at + away]) {
      const value = values[place]
      if (value !== null && value !== undefined) return place
    }
  return null
}
