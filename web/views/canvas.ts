/** A canvas that is as sharp as the screen, drawn again when its size or the colours change. */
export class Surface {
  width = 0
  height = 0
  readonly context: CanvasRenderingContext2D
  #isWaiting = false

  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly draw: (surface: Surface) => void,
  ) {
    this.context = canvas.getContext('2d')!
    new ResizeObserver(() => this.#fit()).observe(canvas)
    onColours(() => this.redraw())
    document.addEventListener('visibilitychange', () => this.redraw())
  }

  /** Draws before the next frame; not while the page is hidden. */
  redraw(): void {
    if (this.#isWaiting || document.hidden) return
    this.#isWaiting = true
    requestAnimationFrame(() => {
      this.#isWaiting = false
      if (this.width === 0) return
      const scale = devicePixelRatio
      this.context.setTransform(scale, 0, 0, scale, 0, 0)
      this.context.clearRect(0, 0, this.width, this.height)
      this.draw(this)
    })
  }

  #fit(): void {
    const { clientWidth, clientHeight } = this.canvas
    this.width = clientWidth
    this.height = clientHeight
    this.canvas.width = Math.round(clientWidth * devicePixelRatio)
    this.canvas.height = Math.round(clientHeight * devicePixelRatio)
    this.redraw()
  }
}

const colours = new Map<string, string>()
const listeners: (() => void)[] = []

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  colours.clear()
  for (const listener of listeners) listener()
})

/** Calls a listener when the colours change, as between day and night. */
export function onColours(listener: () => void): void {
  listeners.push(listener)
}

/** The value of a variable of the style sheet, such as `--ink`. */
export function colour(variable: string): string {
  const known = colours.get(variable)
  if (known !== undefined) return known
  const value = getComputedStyle(document.documentElement).getPropertyValue(variable).trim()
  colours.set(variable, value)
  return value
}

/** The font of small text in drawings. */
export const smallText = '11px system-ui, sans-serif'

/** Whether visitors ask for less motion. */
export function isStill(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches
}

/** Round numbers from 0 up to at most `most`, about `count` of them. */
export function ticks(most: number, count: number): number[] {
  const raw = most / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const size = [1, 2, 5, 10].map(factor => factor * power).find(one => one >= raw) ?? raw
  return Array.from({ length: Math.floor(most / size + 1e-9) + 1 }, (_, i) => i * size)
}
