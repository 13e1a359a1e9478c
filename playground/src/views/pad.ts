import { element } from '../../../web/views/elements.ts'

/** Colours to draw with; white rubs out. */
const inks = [
  ['black', '#20201e'],
  ['red', '#d03b2c'],
  ['yellow', '#f2b705'],
  ['green', '#3b8a3e'],
  ['blue', '#2a6fc9'],
  ['white', '#ffffff'],
] as const

/** Between two looks while a line is drawn, in milliseconds. */
const pause = 150

/** A place to draw on. What is drawn is looked at while it is drawn. */
export class Pad {
  readonly #context: CanvasRenderingContext2D
  #ink: string = inks[0][1]
  #at: readonly [number, number] | undefined
  #waiting: ReturnType<typeof setTimeout> | undefined

  constructor(
    readonly canvas: HTMLCanvasElement,
    place: HTMLElement,
    readonly onDrawn: () => void,
    onFile: () => void,
    readonly onCleared: () => void,
  ) {
    this.#context = canvas.getContext('2d', { willReadFrequently: true })!
    const buttons = inks.map(([name, value]) => {
      const button = element('button', {
        type: 'button',
        class: 'ink',
        title: name === 'white' ? 'rub out' : name,
        'aria-label': name === 'white' ? 'rub out' : name,
        'aria-pressed': String(value === this.#ink),
      })
      button.style.setProperty('--ink-colour', value)
      button.addEventListener('click', () => {
        this.#ink = value
        for (const one of buttons) one.setAttribute('aria-pressed', String(one === button))
      })
      return button
    })
    const clear = element('button', { type: 'button' }, 'Clear')
    clear.addEventListener('click', () => this.clear())
    const file = element('button', { type: 'button' }, 'Image …')
    file.addEventListener('click', onFile)
    place.append(...buttons, clear, file)
    this.#blank()
    canvas.addEventListener('pointerdown', event => {
      canvas.setPointerCapture(event.pointerId)
      this.#at = this.#placeOf(event)
      this.#stroke(event)
    })
    canvas.addEventListener('pointermove', event => {
      if (this.#at !== undefined) this.#stroke(event)
    })
    for (const kind of ['pointerup', 'pointercancel'] as const)
      canvas.addEventListener(kind, () => {
        this.#at = undefined
      })
  }

  clear(): void {
    clearTimeout(this.#waiting)
    this.#waiting = undefined
    this.#blank()
    this.onCleared()
  }

  /** Shows an image that was dropped. */
  show(image: ImageBitmap): void {
    const { width, height } = this.canvas
    this.#blank()
    const square = Math.min(image.width, image.height)
    const [left, top] = [(image.width - square) / 2, (image.height - square) / 2]
    this.#context.drawImage(image, left, top, square, square, 0, 0, width, height)
  }

  #blank(): void {
    this.#context.fillStyle = 'white'
    this.#context.fillRect(0, 0, this.canvas.width, this.canvas.height)
  }

  #placeOf(event: PointerEvent): [number, number] {
    const box = this.canvas.getBoundingClientRect()
    const scale = this.canvas.width / box.width
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale]
  }

  #stroke(event: PointerEvent): void {
    const to = this.#placeOf(event)
    const [x, y] = this.#at ?? to
    const context = this.#context
    context.beginPath()
    context.moveTo(x, y)
    context.lineTo(to[0] + 0.01, to[1])
    context.strokeStyle = this.#ink
    context.lineWidth = this.#ink === '#ffffff' ? 20 : 9
    context.lineCap = 'round'
    context.stroke()
    this.#at = to
    this.#waiting ??= setTimeout(() => {
      this.#waiting = undefined
      this.onDrawn()
    }, pause)
  }
}
