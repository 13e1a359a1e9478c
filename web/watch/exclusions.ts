import { colour, Surface, smallText } from '../views/canvas.ts'
import { percent } from '../views/elements.ts'
import { axis } from '../views/shares.ts'

const foot = 16
const left = 20

/** In which steps each expert was excluded by a hard constraint: a row an expert, the stronger the more of the steps. */
export class ExclusionsView {
  readonly #surface: Surface
  #steps: readonly number[] = []
  #rows: readonly (readonly (number | null)[])[] = []
  #from = 0
  #to = 1

  constructor(readonly canvas: HTMLCanvasElement) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
  }

  show(
    steps: readonly number[],
    rows: readonly (readonly (number | null)[])[],
    { from, to }: { readonly from: number; readonly to: number },
  ): void {
    ;[this.#steps, this.#rows, this.#from, this.#to] = [steps, rows, from, to]
    this.#surface.redraw()
    const experts = rows.at(-1)?.length ?? 0
    const means = Array.from({ length: experts }, (_, expert) => {
      const values = rows.flatMap(row => row[expert] ?? [])
      return `expert ${expert} ${percent(values.reduce((a, b) => a + b, 0) / (values.length || 1))}`
    })
    this.canvas.setAttribute(
      'aria-label',
      `Share of the steps in which each expert was excluded: ${means.join(', ')}`,
    )
  }

  #draw({ context, width, height }: Surface): void {
    const experts = this.#rows.at(-1)?.length ?? 0
    const bottom = height - foot
    const tall = bottom / Math.max(1, experts)
    const x = (step: number): number =>
      left + ((step - this.#from) / (this.#to - this.#from || 1)) * (width - left)
    context.font = `600 ${smallText}`
    context.textBaseline = 'middle'
    context.textAlign = 'left'
    for (let expert = 0; expert < experts; expert++) {
      context.fillStyle = colour('--faint')
      context.fillRect(left, expert * tall + 1, width - left, tall - 2)
      context.fillStyle = colour(`--e${expert % 16}`)
      if (tall > 9) context.fillText(String(expert), 2, (expert + 0.5) * tall)
      for (const [i, step] of this.#steps.entries()) {
        const share = this.#rows[i]?.[expert] ?? 0
        if (share === 0) continue
        const before = Math.max(left, x(this.#steps[i - 1] ?? step - 1))
        context.globalAlpha = 0.25 + 0.75 * share
        context.fillRect(before, expert * tall + 1, Math.max(1, x(step) - before), tall - 2)
        context.globalAlpha = 1
      }
    }
    axis(context, this.#to, width, bottom, left, this.#from)
  }
}
