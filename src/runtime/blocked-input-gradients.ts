import type { Convolution, InputGradientSemantics } from '../graph/node-semantics.ts'
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
export function blockedInputGradient(emit: Blocking, node: OnnxNode, { of }: InputGradientSemantics): void {
  const { channels, padding, kernel } = of
  const [I, J] = of.to
  const [U, V] = kernel
  const { block } = emit
  const extents = { O: channels.inputs, C: channels.outputs, taps: U * V }
  const [O, C] = [roundedUp(extents.O, block), roundedUp(extents.C, block)]
  const blocks = emit.inBlocks(node.inputs[0]!)
  const swapped = swappedInBlocks(emit, node.inputs[1]!, extents)
  const quarter = (q: number, r: number): string => {
    const [rows, columns] = [reaching(q, padding, U), reaching(r, padding, V)]
    const shape = [rows.taps.length, columns.taps.length] as const
    const taps = rows.taps.flatMap(u => columns.taps.map(v => u * V + v))
    const chosen = emit.node('Reshape', [chosenTaps(emit, swapped, taps, U * V), emit.ints(O, C, ...shape)])
    const result = emit.blocked('Conv', [blocks, chosen], {
      kernel_shape: shape,
      pads: [rows.before, columns.before, rows.after, columns.after],
    })
    return emit.node('Reshape', [result, emit.ints(-1, 1, J, block)])
  }
  const rows = [0, 1].map(q => emit.node('Concat', [quarter(q, 0), quarter(q, 1)], { axis: 3 }))
  const all = emit.node('Concat', rows, { axis: 1 })
  const result = emit.node('Reshape', [all, emit.ints(-1, O, 2 * I, 2 * J)])
  emit.made(node.outputs[0]!, result, extents.O)
}

/**
 * The same of a kernel of one place: it has met the numbers of x in every second row and column, and the others get zeros.
 */
export function blockedSpreading(emit: Blocking, node: OnnxNode, { of }: InputGradientSemantics): void {
  const { block } = emit
  const [I, J] = of.to
  const extents = { O: of.channels.inputs, C: of.channels.outputs, taps: 1 }
  const [O, C] = [roundedUp(extents.O, block), roundedUp(extents.C, block)]
  const swapped = swappedInBlocks(emit, node.inputs[1]!, extents)
  const kernel = emit.node('Reshape', [swapped, emit.ints(O, C, 1, 1)])
  const met = emit.blocked('Conv', [emit.inBlocks(node.inputs[0]!), kernel], { kernel_shape: [1, 1] })
  // A row of zeros behind each row, and b of them behind each run of b numbers.
  const rows = emit.node('Reshape', [met, emit.ints(-1, 1, J, block)])
  const spread = emit.node('Pad', [rows, emit.ints(0, 0, 0, 0, 0, 1, 0, block)])
  const result = emit.node('Reshape', [spread, emit.ints(-1, O, 2 * I, 2 * J)])
  emit.made(node.outputs[0]!, result, extents.O)
}

/** Whether {@link blockedSpreading} supports it. */
export function isSpreading({ stride, padding, from, to, kernel }: Convolution): boolean {
  const isOne = kernel.every(extent => extent === 1) && padding === 0
  return isOne && stride === 2 && from[0] === 2 * to[0] && from[1] === 2 * to[1]
}

/**
 * Whether {@link blockedInputGradient} supports it: stride 2, all of x, and taps for each of the four. The kernel is then 2p + 1
 * or 2p + 2 high and wide, and what reaches a begins at a or before it and ends at a or behind it.
 */
export function isDoubling({ stride, from, to, kernel }: Convolution): boolean {
  return stride === 2 && from[0] === 2 * to[0] && from[1] === 2 * to[1] && kernel.every(extent => extent > 1)
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
