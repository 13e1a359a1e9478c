import { type Blocking, roundedUp } from './blocking.ts'

/** The number of images with the last block padded. */
export interface Images {
  /** Undefined where it is known only when the graph runs. */
  readonly filled: number | undefined
  /** The number of padding images, a number or the name of a value [1]. */
  readonly missing: number | string
  /** The number of images, likewise. */
  readonly count: number | string
}

/** For the images of an activation, whose number may be known beforehand. */
export function wholeBlocksOfImages(emit: Blocking, activation: string, images: number | undefined): Images {
  const { block } = emit
  if (images !== undefined) {
    const filled = roundedUp(images, block)
    return { filled, missing: filled - images, count: images }
  }
  // At least one block: a convolution over no channels would leave its result uninitialised.
  const count = emit.node('Gather', [emit.node('Shape', [emit.inBlocks(activation)]), emit.ints(0)])
  const some = emit.node('Max', [count, emit.ints(1)])
  const blocks = emit.node('Div', [emit.node('Add', [some, emit.ints(block - 1)]), emit.ints(block)])
  return {
    filled: undefined,
    count,
    missing: emit.node('Sub', [emit.node('Mul', [blocks, emit.ints(block)]), count]),
  }
}

/** Zeros at the edges of four axes; negative amounts crop. The first of `after` may be the name of a value [1]. */
export function withEdge(
  emit: Blocking,
  value: string,
  before: readonly number[],
  after: readonly [number | string, ...number[]],
): string {
  const [first, ...others] = after
  if (typeof first === 'number') {
    const edge = [...before, first, ...others]
    return edge.every(amount => amount === 0) ? value : emit.node('Pad', [value, emit.ints(...edge)])
  }
  const amounts = emit.node('Concat', [emit.ints(...before), first, emit.ints(...others)], { axis: 0 })
  return emit.node('Pad', [value, amounts])
}

/** The images of a value [N, …] without padding. */
export function withoutEmptyImages(emit: Blocking, value: string, { missing, count }: Images): string {
  if (missing === 0) return value
  const end = typeof count === 'number' ? emit.ints(count) : count
  return emit.node('Slice', [value, emit.ints(0), end, emit.ints(0)])
}
