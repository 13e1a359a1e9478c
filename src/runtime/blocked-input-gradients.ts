import type { Convolution, InputGradientMeaning } from '../graph/meaning.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { chosenTaps, swappedInBlocks } from './blocked-kernels.ts'
import { type Blocking, roundedUp } from './blocking.ts'

/**
 * The gradient of a convolution with stride 2 with respect to what it reads, twice as high and wide as dy. Since x[2a + q] met
 * y[i] by the tap u with 2a + q = 2i + u − p,
 *
 *     dx[2a + q, 2b + r] = Σ over taps (u, v) with q + p − u and r + p − v even of dy[a + (q + p − u)/2, b + (r + p − v)/2] · w[u, v],
 *
 * which for each of the four (q, r) is a convolution of its own on blocks of channels, with the taps that reach it, the last
 * first. The four results are then laid between each other. So each product is computed once, and none with the zeros that a
 * transposed convolution puts between the numbers of dy.
 */
export function blockedInputGradient(to: Blocking, node: OnnxNode, { of }: InputGradientMeaning): void {
  const { channels, padding, kernel } = of
  const [I, J] = of.to
  const [U, V] = kernel
  const { block } = to
  const extents = { O: channels.inputs, C: channels.outputs, taps: U * V }
  const [O, C] = [roundedUp(extents.O, block), roundedUp(extents.C, block)]
  const blocks = to.activation(node.inputs[0]!)
  const swapped = swappedInBlocks(to, node.inputs[1]!, extents)
  const quarter = (q: number, r: number): string => {
    const [rows, columns] = [reaching(q, padding, U), reaching(r, padding, V)]
    const shape = [rows.taps.length, columns.taps.length] as const
    const taps = rows.taps.flatMap(u => columns.taps.map(v => u * V + v))
    const chosen = to.node('Reshape', [chosenTaps(to, swapped, taps, U * V), to.ints(O, C, ...shape)])
    const result = to.blocked('Conv', [blocks, chosen], {
      kernel_shape: shape,
      pads: [rows.before, columns.before, rows.after, columns.after],
    })
    return to.node('Reshape', [result, to.ints(-1, 1, J, block)])
  }
  const rows = [0, 1].map(q => to.node('Concat', [quarter(q, 0), quarter(q, 1)], { axis: 3 }))
  const all = to.node('Concat', rows, { axis: 1 })
  const result = to.node('Reshape', [all, to.ints(-1, O, 2 * I, 2 * J)])
  const dx = node.outputs[0]!
  to.remember(dx, result)
  to.blocked('ReorderOutput', [result], { channels: extents.O }, dx)
}

/** Whether {@link blockedInputGradient} can write it: stride 2, all of x, taps for each of the four. */
export function isDoubling({ stride, from, to, kernel, padding }: Convolution): boolean {
  return (
    stride === 2 &&
    [0, 1].every(axis => from[axis] === 2 * to[axis]!) &&
    kernel.every(extent =>
      [0, 1].every(q => {
        const { taps, before, after } = reaching(q, padding, extent)
        return taps.length > 0 && before >= 0 && after >= 0
      }),
    )
  )
}

interface Reach {
  readonly taps: readonly number[]
  /** How far before and behind a they begin and end. */
  readonly before: number
  readonly after: number
}

/** The taps of one axis that reach the places 2a + q, in the order of what they read. */
function reaching(q: number, padding: number, extent: number): Reach {
  const taps = Array.from({ length: extent }, (_, u) => extent - 1 - u).filter(
    u => (q + padding - u) % 2 === 0,
  )
  const shift = (u = 0): number => (q + padding - u) / 2
  return { taps, before: -shift(taps[0]), after: shift(taps.at(-1)) }
}
