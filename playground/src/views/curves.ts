import { colour, Surface, smallText, ticks } from '../../../web/views/canvas.ts'
import { axis } from '../../../web/views/shares.ts'

/** A line of a chart. */
export interface Line {
  readonly name: string
  readonly steps: readonly number[]
  readonly values: readonly number[]
}

export interface CurveOptions {
  readonly what: string
  readonly text: (value: number) => string
  /** The axis begins at 0 and reaches at least this. */
  readonly least: number
  readonly isFromZero: boolean
  /** Where the legend is in nobody's way. */
  readonly legend: 'top' | 'bottom'
}

const foot = 16
const left = 34
const right = 8
const top = 6

/** Lines over steps: the first solid, the second dashed, each with its name and newest value in the legend above. */
export class CurvesView {
  readonly #surface: Surface
  #lines: readonly Line[] = []
  #span = 1

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly options: CurveOptions,
  ) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
  }

  show(lines: readonly Line[], span: number): void {
    this.#lines = lines
    this.#span = span
    this.#surface.redraw()
    const { what, text } = this.options
    const each = lines.map(
      ({ name, values }) => `${name} ${values.length === 0 ? 'nothing yet' : text(values.at(-1)!)}`,
    )
    this.canvas.setAttribute('aria-label', `${what} over steps; now: ${each.join(', ')}`)
  }

  #draw({ context, width, height }: Surface): void {
    const { text, least, isFromZero } = this.options
    const bottom = height - foot
    const values = this.#lines.flatMap(line => line.values)
    const most = values.reduce((a, b) => Math.max(a, b), least)
    const low = isFromZero ? 0 : values.reduce((a, b) => Math.min(a, b), most)
    const from = isFromZero ? 0 : Math.max(0, low - 0.1 * Math.max(most - low, 0.5))
    const x = (step: number): number => left + (step / this.#span) * (width - left - right)
    const y = (value: number): number => bottom - ((value - from) / (most - from || 1)) * (bottom - top)
    context.font = smallText
    context.textAlign = 'right'
    context.textBaseline = 'middle'
    for (const value of ticks(most, Math.ceil((3 * most) / (most - from))).filter(tick => tick >= from)) {
      context.fillStyle = colour('--line')
      context.fillRect(left, Math.round(y(value)), width - left - right, 1)
      context.fillStyle = colour('--muted')
      context.fillText(text(value), left - 5, Math.max(top + 2, y(value)))
    }
    axis(context, this.#span, width - right, bottom, left)
    for (const [i, line] of this.#lines.entries()) this.#line(context, line, i, x, y)
    this.#legend(context, width, this.options.legend === 'top' ? 10 : bottom - 14 * this.#lines.length)
  }

  #line(
    context: CanvasRenderingContext2D,
    { steps, values }: Line,
    number: number,
    x: (step: number) => number,
    y: (value: number) => number,
  ): void {
    context.beginPath()
    style(context, number)
    // As many points as there are pixels, so that long runs draw as fast as short ones.
    let before = Number.NEGATIVE_INFINITY
    for (const [i, step] of steps.entries()) {
      if (x(step) - before < 0.7 && i < steps.length - 1) continue
      before = x(step)
      context.lineTo(x(step), y(values[i]!))
    }
    context.stroke()
    context.setLineDash([])
  }

  #legend(context: CanvasRenderingContext2D, width: number, from: number): void {
    const { text } = this.options
    context.textBaseline = 'middle'
    context.textAlign = 'right'
    for (const [i, { name, values }] of this.#lines.entries()) {
      const words = `${name}${values.length === 0 ? '' : `  ${text(values.at(-1)!)}`}`
      const y = from + i * 14
      const wide = context.measureText(words).width
      context.fillStyle = colour('--paper')
      context.globalAlpha = 0.8
      context.fillRect(width - right - wide - 32, y - 7, wide + 34, 14)
      context.globalAlpha = 1
      context.fillStyle = colour('--ink')
      context.fillText(words, width - right, y)
      context.beginPath()
      style(context, i)
      context.moveTo(width - right - wide - 28, y)
      context.lineTo(width - right - wide - 6, y)
      context.stroke()
      context.setLineDash([])
    }
  }
}

function style(context: CanvasRenderingContext2D, number: number): void {
  context.strokeStyle = colour(number === 0 ? '--muted' : '--ink')
  context.lineWidth = number === 0 ? 1.5 : 2
  context.setLineDash(number === 0 ? [4, 3] : [])
}

/** Means over the last few values, so that a curve of single batches can be read. */
export function smoothed(values: readonly number[], over: number): number[] {
  let sum = 0
  return values.map((value, i) => {
    sum += value
    if (i >= over) sum -= values[i - over]!
    return sum / Math.min(i + 1, over)
  })
}
