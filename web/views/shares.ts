import { colour, Surface, smallText, ticks } from './canvas.ts'
import { percent } from './elements.ts'

/** Each expert's share of the work over steps; a value that is not known is null. */
export interface ShareHistory {
  /** Ascending. */
  readonly steps: readonly number[]
  /** By step and expert. */
  readonly shares: readonly (readonly (number | null)[])[]
  /** The steps that the chart shows. */
  readonly from?: number
  readonly to: number
}

/** Room for the numbers of steps. */
const foot = 16

/**
 * Each expert's share of the work over steps, one band an expert, all together everything. Where a gate collapses, bands
 * vanish.
 */
export class SharesView {
  readonly #surface: Surface
  #history: ShareHistory = { steps: [], shares: [], to: 1 }

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
  }

  show(history: ShareHistory): void {
    this.#history = history
    this.#surface.redraw()
    this.canvas.setAttribute('aria-label', this.#text())
  }

  #text(): string {
    const last = this.#history.shares.at(-1)
    if (last === undefined) return "Each expert's share of the work over steps: no step yet"
    const each = last.map((share, expert) => `expert ${expert} ${percent(share ?? 0)}`).join(', ')
    return `Each expert's share of the work over steps; now, at step ${this.#history.steps.at(-1)}: ${each}`
  }

  #draw({ context, width, height }: Surface): void {
    const { steps, shares, from = 0, to } = this.#history
    const bottom = height - foot
    context.fillStyle = colour('--faint')
    context.fillRect(0, 0, width, bottom)
    axis(context, to, width, bottom, 0, from)
    const [first, last] = [steps[0], steps.at(-1)]
    if (first === undefined || last === undefined) return
    const x = (step: number): number => ((step - from) / (to - from || 1)) * width
    const right = Math.min(width, x(last))
    let at = 0
    for (let pixel = Math.max(0, Math.floor(x(first - 1))); pixel < right; pixel++) {
      const step = from + ((pixel + 0.5) / width) * (to - from)
      while (at < steps.length - 1 && steps[at]! < step) at++
      let y = 0
      for (const [expert, share] of (shares[at] ?? []).entries()) {
        context.fillStyle = colour(`--e${expert % 16}`)
        context.fillRect(pixel, y * bottom, 1.05, Math.min(share ?? 0, Math.max(0, 1 - y)) * bottom)
        y += share ?? 0
      }
    }
    this.#label(context, right, bottom, shares[at] ?? [])
  }

  /** The numbers of experts, in bands that are wide enough. */
  #label(
    context: CanvasRenderingContext2D,
    right: number,
    bottom: number,
    shares: readonly (number | null)[],
  ): void {
    context.font = `600 ${smallText}`
    context.textAlign = 'right'
    context.textBaseline = 'middle'
    let y = 0
    for (const [expert, share] of shares.entries()) {
      if ((share ?? 0) * bottom > 13 && right > 24) {
        context.fillStyle = colour(`--e${expert % 16}-ink`)
        context.fillText(String(expert), right - 4, (y + (share ?? 0) / 2) * bottom)
      }
      y += share ?? 0
    }
  }
}

/** Numbers of steps below a chart of the steps from `from` to `to`. */
export function axis(
  context: CanvasRenderingContext2D,
  to: number,
  width: number,
  bottom: number,
  left = 0,
  from = 0,
): void {
  context.font = smallText
  context.textBaseline = 'top'
  context.fillStyle = colour('--muted')
  const span = to - from || 1
  const size = ticks(span, Math.max(2, Math.floor(width / 70)))[1] ?? span
  for (let tick = Math.ceil(from / size) * size; tick <= to + 1e-9; tick += size) {
    const x = left + ((tick - from) / span) * (width - left)
    context.textAlign = x < left + 20 ? 'left' : x > width - 20 ? 'right' : 'center'
    context.fillText(tick === 0 ? 'step 0' : String(tick), x, bottom + 3)
  }
}
