import type { Run } from '../run.ts'
import { colour, Surface, smallText, ticks } from './canvas.ts'
import { percent } from './elements.ts'

/** Steps that a share is averaged over. */
const window = 10

/** Room for the numbers of steps. */
const foot = 16

/**
 * Each expert's share of the work over steps, one band an expert, all together everything. Where a gate collapses, bands
 * vanish.
 */
export class SharesView {
  readonly #surface: Surface
  #run: Run | undefined
  /** Shares of [step][expert], averaged; made as steps come. */
  #shares: (readonly number[])[] = []
  /** How many steps all charts show. */
  #span = 0

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
  }

  show(run: Run, span: number): void {
    if (run !== this.#run || this.#shares.length > run.steps.length) this.#shares = []
    this.#run = run
    this.#span = span
    for (let i = this.#shares.length; i < run.steps.length; i++) {
      const recent = run.steps.slice(Math.max(0, i + 1 - window), i + 1)
      const own = recent.map(({ layers }) => layers[run.shown]?.importance ?? [])
      this.#shares.push(
        Array.from(
          { length: run.experts },
          (_, e) => own.reduce((sum, one) => sum + (one[e] ?? 0), 0) / own.length,
        ),
      )
    }
    this.#surface.redraw()
    this.canvas.setAttribute('aria-label', this.#text())
  }

  /** Each expert's share over the last steps. */
  get latest(): readonly number[] {
    return this.#shares.at(-1) ?? []
  }

  #text(): string {
    const last = this.#shares.at(-1)
    if (last === undefined) return "Each expert's share of the work over steps: no step yet"
    const each = last.map((share, expert) => `expert ${expert} ${percent(share)}`).join(', ')
    return `Each expert's share of the work over steps; now, at step ${this.#run?.step}: ${each}`
  }

  #draw({ context, width, height }: Surface): void {
    const run = this.#run
    const bottom = height - foot
    context.fillStyle = colour('--faint')
    context.fillRect(0, 0, width, bottom)
    axis(context, this.#span, width, bottom)
    if (run === undefined || run.steps.length === 0) return
    const first = run.steps[0]!.step
    const last = run.steps.at(-1)!.step
    const x = (step: number): number => (step / this.#span) * width
    for (let pixel = Math.floor(x(first - 1)); pixel < x(last); pixel++) {
      const step = Math.min(last, Math.max(first, Math.ceil(((pixel + 0.5) / width) * this.#span)))
      const shares = this.#shares[step - first] ?? []
      let y = 0
      for (const [expert, share] of shares.entries()) {
        context.fillStyle = colour(`--e${expert % 16}`)
        context.fillRect(pixel, y * bottom, 1.05, share * bottom)
        y += share
      }
    }
    this.#label(context, x(last), bottom)
  }

  /** The numbers of experts, in bands that are wide enough. */
  #label(context: CanvasRenderingContext2D, right: number, bottom: number): void {
    context.font = `600 ${smallText}`
    context.textAlign = 'right'
    context.textBaseline = 'middle'
    let y = 0
    for (const [expert, share] of (this.#shares.at(-1) ?? []).entries()) {
      if (share * bottom > 13 && right > 24) {
        context.fillStyle = colour(`--e${expert % 16}-ink`)
        context.fillText(String(expert), right - 4, (y + share / 2) * bottom)
      }
      y += share
    }
  }
}

/** Numbers of steps below a chart. */
export function axis(
  context: CanvasRenderingContext2D,
  span: number,
  width: number,
  bottom: number,
  left = 0,
): void {
  context.font = smallText
  context.textBaseline = 'top'
  context.fillStyle = colour('--muted')
  for (const tick of ticks(span, Math.max(2, Math.floor(width / 70)))) {
    const x = left + (tick / span) * (width - left)
    context.textAlign = tick === 0 ? 'left' : x > width - 20 ? 'right' : 'center'
    context.fillText(tick === 0 ? 'step 0' : String(tick), x, bottom + 3)
  }
}
