import { liftStep } from 'moiety/step'
import { colour, Surface } from '../../../web/views/canvas.ts'
import type { Run } from '../run.ts'
import type { ImageData } from '../training/data.ts'
import { type Lift, liftsOf } from './class-lifts.ts'

const head = 16
/** Lines lower than this have no names. */
const leastForNames = 8

/**
 * Classes by experts: a cell is how much more of the class an expert gets than of all images, green for more, brown for less, and pale
 * within chance. An expert that gets next to nothing has an empty column.
 */
export class MatrixView {
  readonly #surface: Surface
  #classes: readonly string[] = []
  /** By class and expert. */
  #lifts: readonly (readonly Lift[])[] = []
  #experts = 0

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly tip: HTMLElement,
  ) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
    canvas.addEventListener('pointermove', event => this.#point(event))
    canvas.addEventListener('pointerleave', () => {
      this.tip.textContent = ''
    })
  }

  show(run: Run, data: ImageData | undefined): void {
    this.#experts = run.experts
    this.#classes = data?.classes ?? []
    const weights = run.latest?.weights[run.shown]
    this.#lifts =
      weights === undefined || data === undefined
        ? []
        : liftsOf(weights, data.test.labels, data.classes.length, run.experts)
    this.#surface.redraw()
    this.canvas.setAttribute('aria-label', this.#text())
  }

  #text(): string {
    if (this.#lifts.length === 0) return 'Classes by experts: no image has been tested yet'
    const each = Array.from({ length: this.#experts }, (_, expert) => {
      const best = this.#lifts
        .map((row, label) => ({ name: this.#classes[label] ?? '', ...row[expert]! }))
        .filter(({ ratio, isBeyondChance }) => isBeyondChance && ratio >= 1.25)
        .toSorted((a, b) => b.ratio - a.ratio)
        .slice(0, 3)
      const words = best.map(({ name, ratio }) => `${name} ×${ratio.toFixed(1)}`)
      return `expert ${expert}: ${words.length === 0 ? 'no preference' : words.join(', ')}`
    })
    return `Classes that each expert gets more of than of all images: ${each.join('; ')}`
  }

  #frame() {
    const { width, height } = this.#surface
    const line = (height - head) / Math.max(1, this.#classes.length)
    const names = line >= leastForNames ? Math.min(110, width * 0.55) : 0
    return { line, names, column: (width - names) / Math.max(1, this.#experts) }
  }

  #draw({ context, width }: Surface): void {
    const { line, names, column } = this.#frame()
    context.textBaseline = 'middle'
    context.textAlign = 'center'
    context.font = '650 10px system-ui, sans-serif'
    for (let expert = 0; expert < this.#experts; expert++) {
      const x = names + (expert + 0.5) * column
      context.fillStyle = colour(`--e${expert % 16}`)
      context.fillRect(names + expert * column + 1, 0, column - 2, head - 3)
      context.fillStyle = colour(`--e${expert % 16}-ink`)
      if (column > 9) context.fillText(String(expert), x, (head - 3) / 2 + 0.5)
    }
    context.textAlign = 'right'
    context.font = `${Math.min(11, line + 1)}px system-ui, sans-serif`
    for (const [label, name] of this.#classes.entries()) {
      const y = head + label * line
      if (names > 0) {
        context.fillStyle = colour('--muted')
        context.fillText(shortened(context, name, names - 6), names - 5, y + line / 2)
      }
      for (let expert = 0; expert < this.#experts; expert++) {
        const lift = this.#lifts[label]?.[expert]
        context.fillStyle = colour(lift?.isBeyondChance === true ? `--d${liftStep(lift.ratio)}` : '--faint')
        const gap = line > 4 ? 1 : 0
        context.fillRect(names + expert * column + 1, y, column - 2, line - gap)
      }
    }
    if (this.#classes.length === 0) {
      context.fillStyle = colour('--muted')
      context.textAlign = 'center'
      context.fillText('no images', width / 2, head + 30)
    }
  }

  #point(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect()
    const { line, names, column } = this.#frame()
    const label = Math.floor((event.clientY - box.top - head) / line)
    const expert = Math.floor((event.clientX - box.left - names) / column)
    const name = this.#classes[label]
    const lift = this.#lifts[label]?.[expert]
    this.tip.textContent =
      name === undefined || lift === undefined ? (name ?? '') : `${name}: expert ${expert} ${liftText(lift)}`
  }
}

function liftText({ ratio, isBeyondChance }: Lift): string {
  if (Number.isNaN(ratio)) return 'gets next to nothing'
  return `×${ratio.toFixed(1)}${isBeyondChance ? '' : ', within chance'}`
}

function shortened(context: CanvasRenderingContext2D, text: string, width: number): string {
  if (context.measureText(text).width <= width) return text
  let end = text.length
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > width) end--
  return `${text.slice(0, end)}…`
}
