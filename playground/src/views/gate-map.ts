import { colour, isStill, Surface, smallText } from '../../../web/views/canvas.ts'
import { percent } from '../../../web/views/elements.ts'
import type { Run } from '../run.ts'
import type { ImageData } from '../training/data.ts'

/** How long points take from one test to the next, in milliseconds. */
const travel = 600

/** Where an image is, from −1 to 1, and which expert weighs most. */
interface Point {
  readonly x: number
  readonly y: number
  readonly top: number
}

/**
 * The gate's logits as a map: experts are the corners of a polygon, and an image lies where the softmax of its logits pulls it. An
 * image that the gate cannot place is in the middle, one that clearly belongs to an expert in its corner.
 */
export class GateMap {
  readonly #surface: Surface
  #before: readonly Point[] = []
  #points: readonly Point[] = []
  #own: Point | undefined
  #changed = 0
  #experts = 0
  #labels: Int32Array = new Int32Array()
  #classes: readonly string[] = []
  #at: number | undefined

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly tip: HTMLElement,
    /** Called with the number of the held-out image under the pointer. */
    readonly onImage: (image: number | undefined) => void,
  ) {
    this.#surface = new Surface(canvas, surface => this.#draw(surface))
    canvas.addEventListener('pointermove', event => this.#point(event))
    canvas.addEventListener('pointerleave', () => this.#pointAt(undefined))
  }

  show(run: Run, data: ImageData | undefined): void {
    const report = run.latest
    const layer = run.shown
    const logits = report?.logits[layer]
    const weights = report?.weights[layer]
    if (run.experts !== this.#experts) this.#points = []
    this.#experts = run.experts
    this.#classes = data?.classes ?? []
    this.#labels = data?.test.labels ?? new Int32Array()
    if (logits === undefined || weights === undefined) {
      this.#points = []
      this.#own = undefined
    } else {
      this.#before = this.#current()
      this.#points = pointsOf(logits, weights, run.experts)
      this.#changed = performance.now()
    }
    this.#surface.redraw()
    this.canvas.setAttribute('aria-label', this.#text(run))
  }

  /** Marks an image of the visitor's own. */
  mark(logits: Float32Array | undefined, weights: Float32Array | undefined): void {
    this.#own =
      logits === undefined || weights === undefined ? undefined : pointsOf(logits, weights, this.#experts)[0]
    this.#surface.redraw()
  }

  #text(run: Run): string {
    if (this.#points.length === 0) return 'Map of the gate: no image has been tested yet'
    const counts = Array.from(
      { length: run.experts },
      (_, e) => this.#points.filter(({ top }) => top === e).length,
    )
    const each = counts.map((count, e) => `expert ${e} ${percent(count / this.#points.length)}`)
    return `Map of the gate: ${this.#points.length} held-out images by the expert that weighs most for them: ${each.join(', ')}`
  }

  /** Points on their way. */
  #current(): readonly Point[] {
    if (isStill() || this.#before.length !== this.#points.length) return this.#points
    const passed = Math.min(1, (performance.now() - this.#changed) / travel)
    if (passed === 1) return this.#points
    const share = 1 - (1 - passed) ** 3
    return this.#points.map((point, i) => {
      const { x, y } = this.#before[i]!
      return { top: point.top, x: x + share * (point.x - x), y: y + share * (point.y - y) }
    })
  }

  #draw({ context, width, height }: Surface): void {
    const { place, radius } = this.#frame()
    const corners = cornersOf(this.#experts).map(([x, y]) => place(x, y))
    context.beginPath()
    for (const [x, y] of corners) context.lineTo(x, y)
    context.closePath()
    context.fillStyle = colour('--faint')
    context.strokeStyle = colour('--line')
    context.fill()
    context.stroke()
    const points = this.#current()
    const size = Math.max(2, Math.min(3.5, radius / 45))
    context.globalAlpha = 0.75
    for (const [i, { x, y, top }] of points.entries()) {
      const [px, py] = place(x, y)
      context.beginPath()
      context.arc(px, py, i === this.#at ? 2 * size : size, 0, 2 * Math.PI)
      context.fillStyle = colour(`--e${top % 16}`)
      context.fill()
    }
    context.globalAlpha = 1
    context.font = `650 ${smallText}`
    context.textAlign = 'center'
    context.textBaseline = 'middle'
    for (const [expert, [x, y]] of corners.entries()) {
      context.beginPath()
      context.arc(x, y, 9, 0, 2 * Math.PI)
      context.fillStyle = colour(`--e${expert % 16}`)
      context.fill()
      context.fillStyle = colour(`--e${expert % 16}-ink`)
      context.fillText(String(expert), x, y + 0.5)
    }
    if (this.#own !== undefined) star(context, place(this.#own.x, this.#own.y))
    if (points.length === 0) {
      context.fillStyle = colour('--muted')
      context.font = smallText
      context.fillText('no images tested yet', width / 2, height / 2)
    }
    if (points !== this.#points) this.#surface.redraw()
  }

  #frame() {
    const { width, height } = this.#surface
    const corners = cornersOf(this.#experts)
    const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)]
    const [left, right] = [Math.min(...xs), Math.max(...xs)]
    const [top, bottom] = this.#experts === 2 ? [-0.3, 0.3] : [Math.min(...ys), Math.max(...ys)]
    const room = 22
    const radius = Math.max(1, Math.min((width - room) / (right - left), (height - room) / (bottom - top)))
    return {
      radius,
      place: (x: number, y: number): [number, number] => [
        width / 2 + (x - (left + right) / 2) * radius,
        height / 2 + (y - (top + bottom) / 2) * radius,
      ],
    }
  }

  #point(event: PointerEvent): void {
    const box = this.canvas.getBoundingClientRect()
    const [px, py] = [event.clientX - box.left, event.clientY - box.top]
    const { place } = this.#frame()
    const distances = this.#points.map(({ x, y }) => {
      const [ax, ay] = place(x, y)
      return Math.hypot(ax - px, ay - py)
    })
    const nearest = distances.indexOf(Math.min(...distances))
    this.#pointAt(nearest >= 0 && distances[nearest]! < 12 ? nearest : undefined)
  }

  #pointAt(image: number | undefined): void {
    if (image === this.#at) return
    this.#at = image
    this.onImage(image)
    const name = image === undefined ? undefined : this.#classes[this.#labels[image] ?? -1]
    this.tip.textContent = name === undefined ? '' : `${name} → expert ${this.#points[image!]?.top}`
    this.#surface.redraw()
  }
}

/** Corners of a polygon, the first at the upper left for four; two experts are the ends of a line. */
function cornersOf(experts: number): [number, number][] {
  const turn = experts === 2 ? Math.PI : experts === 4 ? (-3 * Math.PI) / 4 : -Math.PI / 2
  return Array.from({ length: experts }, (_, e) => {
    const angle = turn + (2 * Math.PI * e) / experts
    return [Math.cos(angle), Math.sin(angle)]
  })
}

/**
 * Logits only count by their differences, so they are taken from their mean; where they have grown beyond a deviation of 1, they are
 * scaled to it, so that points do not all end in the corners.
 */
function pointsOf(logits: Float32Array, weights: Float32Array, experts: number): Point[] {
  const corners = cornersOf(experts)
  const count = logits.length / experts
  const rows = Array.from({ length: count }, (_, n) => {
    const row = Array.from(logits.subarray(n * experts, (n + 1) * experts))
    const mean = row.reduce((a, b) => a + b, 0) / experts
    return row.map(value => value - mean)
  })
  const squares = rows.flat().reduce((sum, value) => sum + value * value, 0)
  const scale = Math.max(0.5, Math.sqrt(squares / Math.max(1, rows.length * experts))) / 1.5
  return rows.map((row, n) => {
    const powers = row.map(value => Math.exp(value / scale))
    const sum = powers.reduce((a, b) => a + b, 0)
    const own = weights.subarray(n * experts, (n + 1) * experts)
    // Two experts have a line for a map: the second axis only keeps points apart.
    const aside = experts === 2 ? (((n * 0.618034) % 1) - 0.5) * 0.5 : 0
    return {
      x: powers.reduce((total, power, e) => total + (power / sum) * corners[e]![0], 0),
      y: powers.reduce((total, power, e) => total + (power / sum) * corners[e]![1], 0) + aside,
      top: own.indexOf(Math.max(...own)),
    }
  })
}

/** An image of the visitor's own. */
function star(context: CanvasRenderingContext2D, [x, y]: readonly [number, number]): void {
  context.beginPath()
  for (let i = 0; i < 10; i++) {
    const length = i % 2 === 0 ? 9 : 4
    const angle = (Math.PI * i) / 5 - Math.PI / 2
    context.lineTo(x + length * Math.cos(angle), y + length * Math.sin(angle))
  }
  context.closePath()
  context.fillStyle = colour('--ink')
  context.strokeStyle = colour('--paper')
  context.lineWidth = 1.5
  context.fill()
  context.stroke()
}
