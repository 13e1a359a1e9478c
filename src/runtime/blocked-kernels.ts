import { type Blocking, roundedUp } from './blocking.ts'

/** A kernel [O, C, taps], its taps U·V in one. */
export interface KernelExtents {
  readonly O: number
  readonly C: number
  readonly taps: number
}

/*
 * Kernels for convolutions on blocks of b channels: [O/b, C/b, taps, b of C, b of O], with zeros where a block is not full. The
 * engine's own reordering makes the blocks, since it turns small squares in registers, and what remains to be moved are runs of
 * b numbers: at 512 × 512 × 3 × 3 that is 2.5 ms where one `Transpose` was 7.3.
 */

/** A kernel [O, C, taps] in blocks. */
export function kernelInBlocks(to: Blocking, kernel: string, { O, C, taps }: KernelExtents): string {
  const { block } = to
  const [outer, inner] = [roundedUp(O, block) / block, roundedUp(C, block) / block]
  const filled = withZeros(to, kernel, [0, inner * block - C])
  const reordered = to.blocked('ReorderInput', [
    to.node('Reshape', [filled, to.ints(1, O, inner * block, taps)]),
  ])
  const split = to.node('Reshape', [reordered, to.ints(outer, inner, block, taps, block)])
  return taps === 1 ? split : to.node('Transpose', [split], { perm: [0, 1, 3, 2, 4] })
}

/** A kernel [C, O, taps], its channels swapped, in blocks. */
export function swappedInBlocks(to: Blocking, kernel: string, { O, C, taps }: KernelExtents): string {
  const { block } = to
  const [outer, inner] = [roundedUp(O, block) / block, roundedUp(C, block) / block]
  const filled = withZeros(to, kernel, [inner * block - C, 0])
  const reordered = to.blocked('ReorderInput', [
    to.node('Reshape', [filled, to.ints(inner * block, O, taps, 1)]),
  ])
  const split = to.node('Reshape', [reordered, to.ints(inner, block, outer, taps, block)])
  return to.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] })
}

/** Some taps of a kernel in blocks, in this order. */
export function chosenTaps(to: Blocking, kernel: string, taps: readonly number[], of: number): string {
  const isAll = taps.length === of && taps.every((tap, i) => tap === i)
  return isAll ? kernel : to.node('Gather', [kernel, to.ints(...taps)], { axis: 2 })
}

/** Zeros behind the first two of four axes. */
function withZeros(to: Blocking, value: string, missing: readonly [number, number]): string {
  if (missing[0] + missing[1] === 0) return value
  return to.node('Pad', [value, to.ints(0, 0, 0, 0, ...missing, 0, 0)])
}
