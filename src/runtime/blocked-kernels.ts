import { type Blocking, lackingToFours, roundedUp } from './blocking.ts'

/** A kernel [O, C, taps], its taps U·V in one. */
export interface KernelExtents {
  readonly O: number
  readonly C: number
  readonly taps: number
}

/*
 * Kernels for convolutions on blocks of b channels: [O/b, C/b, taps, b of C, b of O], with zeros where a block is not full. The
 * engine's own reordering makes the blocks, since it turns small squares in registers, and what remains to be moved are runs of
 * b numbers.
 */

/** A kernel [O, C, taps] in blocks. */
export function kernelInBlocks(emit: Blocking, kernel: string, { O, C, taps }: KernelExtents): string {
  const { block } = emit
  const [outer, inner] = [roundedUp(O, block) / block, roundedUp(C, block) / block]
  const filled = withZeros(emit, kernel, [lackingToFours(O), inner * block - C])
  const reordered = emit.blocked('ReorderInput', [
    emit.node('Reshape', [filled, emit.ints(1, roundedUp(O, 4), inner * block, taps)]),
  ])
  const sorted = taps === 1 ? reordered : outerSwapped(emit, reordered, [outer * inner, block, taps])
  return emit.node('Reshape', [sorted, emit.ints(outer, inner, taps, block, block)])
}

/** A kernel [C, O, taps], its channels swapped, in blocks. */
export function swappedInBlocks(emit: Blocking, kernel: string, { O, C, taps }: KernelExtents): string {
  const { block } = emit
  const [outer, inner] = [roundedUp(O, block) / block, roundedUp(C, block) / block]
  const filled = withZeros(emit, kernel, [inner * block - C, lackingToFours(O)])
  const reordered = emit.blocked('ReorderInput', [
    emit.node('Reshape', [filled, emit.ints(inner * block, roundedUp(O, 4), taps, 1)]),
  ])
  const split = emit.node('Reshape', [reordered, emit.ints(inner, block, outer, taps, block)])
  return emit.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] })
}

/** Some taps of a kernel in blocks, in this order. */
export function chosenTaps(emit: Blocking, kernel: string, taps: readonly number[], of: number): string {
  const isAll = taps.length === of && taps.every((tap, i) => tap === i)
  return isAll ? kernel : emit.node('Gather', [kernel, emit.ints(...taps)], { axis: 2 })
}

/**
 * [A, B, C, b] → [A, C, B, b], of runs of b numbers: to the engine's reordering these are A images of B places with C blocks of channels, and
 * it works on all threads where `Transpose` works on one.
 */
export function outerSwapped(
  emit: Blocking,
  value: string,
  [A, B, C]: readonly [number, number, number],
): string {
  const places = emit.node('Reshape', [value, emit.ints(A, B, 1, C * emit.block)])
  return emit.blocked('ReorderInput', [places], { channels_last: 1 })
}

/** Zeros behind the first two of four axes. */
function withZeros(emit: Blocking, value: string, missing: readonly [number, number]): string {
  if (missing[0] + missing[1] === 0) return value
  return emit.node('Pad', [value, emit.ints(0, 0, 0, 0, ...missing, 0, 0)])
}
