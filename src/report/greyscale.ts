import { expertShades } from './palette.ts'
import { inherited, type SvgElement } from './svg-element.ts'

/**
 * Signs besides colour, for who prints in grey: what has the colour of an expert (or of a kind, a series) gets its dash as a
 * line, its shape as a dot, its hatch as an area; what is less than chance is hatched, the denser the less. So every chart that
 * takes its colours from the palette has them.
 */
export function withSigns(root: SvgElement): void {
  for (const element of [...root.querySelectorAll('path,line')]) dash(element)
  for (const element of [...root.querySelectorAll('circle')]) shape(element)
  for (const element of [...root.querySelectorAll('rect')]) hatch(element)
}

const count = expertShades.length

/** The number of an expert's colour; undefined of any other. */
function expertOf(colour: string | null): number | undefined {
  const [, digits] = /^var\(--e(\d+)\)$/.exec(colour ?? '') ?? []
  return digits === undefined ? undefined : Number(digits) % count
}

/** Half as many as colours are told apart; the second half has other shapes with them, see {@link shapeOf}. */
const dashes = ['', '6 2', '1.5 2', '6 2 1.5 2', '10 3', '3 2', '10 2 1.5 2 1.5 2', '4 4'] as const

/** The dash of a line in the colour of an expert. */
function dash(element: SvgElement): void {
  const expert = expertOf(inherited(element, 'stroke'))
  const mark = inherited(element, 'aria-label')
  if (expert === undefined || mark === 'dot' || inherited(element, 'stroke-dasharray') !== null) return
  const own = dashes[expert % dashes.length] ?? ''
  if (own !== '') element.setAttribute('stroke-dasharray', own)
  // A round cap would fill the gaps of short dashes.
  element.setAttribute('stroke-linecap', 'butt')
}

/** A dot of this radius and more has its number upon it. */
const numbered = 5.5
const leastRadius = 2.4

/** Shapes as corners on the unit circle's scale, with about the area of a circle. */
const shapes: readonly (readonly (readonly [x: number, y: number])[] | null)[] = [
  null,
  polygon(4, 1.25, 45),
  polygon(3, 1.5, -90),
  polygon(4, 1.3, 0),
  polygon(3, 1.5, 90),
  star(4, 1.5, 0.5, 0),
  star(5, 1.5, 0.65, -90),
  star(4, 1.5, 0.5, 45),
]

function polygon(corners: number, radius: number, turn: number): [number, number][] {
  return Array.from({ length: corners }, (_, i): [number, number] => {
    const angle = ((turn + (360 * i) / corners) * Math.PI) / 180
    return [radius * Math.cos(angle), radius * Math.sin(angle)]
  })
}

function star(points: number, outer: number, inner: number, turn: number): [number, number][] {
  const [far, near] = [polygon(points, outer, turn), polygon(points, inner, turn + 180 / points)]
  return far.flatMap((corner, i): [number, number][] => [corner, near[i] ?? corner])
}

/** Colours 8 to 15 have the dashes of 0 to 7 again, and other shapes than those. */
function shapeOf(expert: number): (typeof shapes)[number] {
  return shapes[(expert + 3 * Math.floor(expert / shapes.length)) % shapes.length] ?? null
}

function shape(element: SvgElement): void {
  const expert = expertOf(inherited(element, 'fill')) ?? expertOf(inherited(element, 'stroke'))
  const radius = Number(element.getAttribute('r'))
  if (expert === undefined || !(radius > 0) || radius >= numbered) return
  const [cx, cy] = [Number(element.getAttribute('cx')), Number(element.getAttribute('cy'))]
  const size = Math.max(leastRadius, radius)
  const corners = shapeOf(expert)
  if (corners === null) {
    element.setAttribute('r', String(size))
    return
  }
  const points = corners.map(([x, y]) => `${(cx + size * x).toFixed(2)},${(cy + size * y).toFixed(2)}`)
  const style = ['fill', 'stroke', 'stroke-width', 'fill-opacity'].flatMap(name => {
    const value = element.getAttribute(name)
    return value === null ? [] : [` ${name}="${value}"`]
  })
  element.outerHTML = `<path d="M${points.join('L')}Z"${style.join('')}/>`
}

/** Lines across an area: at an angle in degrees, so many pixels apart. */
interface Hatch {
  readonly angles: readonly number[]
  readonly gap: number
  readonly colour: string
  readonly opacity: number
}

const white = { colour: '#ffffff', opacity: 0.85 }
const expertHatches: readonly (Hatch | null)[] = [
  null,
  { angles: [45], gap: 5, ...white },
  { angles: [-45], gap: 3.5, ...white },
  { angles: [0], gap: 4, ...white },
  { angles: [90], gap: 4, ...white },
  { angles: [45, -45], gap: 6, ...white },
  { angles: [0, 90], gap: 5, ...white },
  { angles: [-45], gap: 7, ...white },
]

/** Of the three shades that are less than chance. */
const lessHatches: readonly Hatch[] = [3, 4.5, 7].map(gap => ({
  angles: [45],
  gap,
  colour: '#000000',
  opacity: 0.4,
}))

function hatchOf(fill: string | null): Hatch | null {
  const [, less] = /^var\(--d([0-2])\)$/.exec(fill ?? '') ?? []
  if (less !== undefined) return lessHatches[Number(less)] ?? null
  const expert = expertOf(fill)
  return expert === undefined ? null : (expertHatches[expert % expertHatches.length] ?? null)
}

function hatch(element: SvgElement): void {
  const found = hatchOf(inherited(element, 'fill'))
  if (found === null) return
  const of = (name: string): number => Number(element.getAttribute(name) ?? 0)
  const [x, y, width, height] = [of('x'), of('y'), of('width'), of('height')]
  const lines = found.angles.flatMap(angle => linesAcross({ x, y, width, height }, angle, found.gap))
  const d = lines
    .map(line => line.map(value => value.toFixed(2)))
    .map(([a, b, c, e]) => `M${a},${b}L${c},${e}`)
  if (d.length === 0) return
  const around = element.getAttribute('transform')
  const moved = around === null ? '' : ` transform="${around}"`
  element.insertAdjacentHTML(
    'afterend',
    `<path aria-label="hatch" d="${d.join('')}"${moved} fill="none" stroke="${found.colour}" stroke-opacity="${found.opacity}" stroke-width="0.7"/>`,
  )
}

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** Parallel lines clipped to a box (Liang and Barsky 1984), on a grid that all boxes share: neighbours of one hatch go on in each other. */
function linesAcross(
  { x, y, width, height }: Box,
  angle: number,
  gap: number,
): [number, number, number, number][] {
  if (!(width > 0) || !(height > 0)) return []
  const turn = (angle * Math.PI) / 180
  const [dx, dy] = [Math.cos(turn), -Math.sin(turn)]
  const [nx, ny] = [-dy, dx]
  const offsets = [x, x + width].flatMap(px => [y, y + height].map(py => px * nx + py * ny))
  const [first, last] = [Math.ceil(Math.min(...offsets) / gap), Math.floor(Math.max(...offsets) / gap)]
  const lines: [number, number, number, number][] = []
  for (let i = first; i <= last; i++) {
    const [px, py] = [i * gap * nx, i * gap * ny]
    let [from, to] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
    for (const [start, step, low, size] of [
      [px, dx, x, width],
      [py, dy, y, height],
    ] as const) {
      if (Math.abs(step) < 1e-9) {
        if (start < low || start > low + size) to = Number.NEGATIVE_INFINITY
        continue
      }
      const [a, b] = [(low - start) / step, (low + size - start) / step]
      from = Math.max(from, Math.min(a, b))
      to = Math.min(to, Math.max(a, b))
    }
    if (from < to) lines.push([px + from * dx, py + from * dy, px + to * dx, py + to * dy])
  }
  return lines
}
