import type { Dim } from '../graph/dims.ts'
import { renamedSemantics } from '../graph/node-semantics.ts'
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxTensor, OnnxValue } from '../graph/onnx.ts'

/** ONNX Runtime's own operator set for activations in blocks; its block size depends on the processor (`block-size.ts`). */
export const blockedDomain = 'com.microsoft.nchwc'

/** ONNX Runtime's operator set of fused ops, the same on all processors. */
export const fusedDomain = 'com.microsoft'

/** Values that are made here are called by it and a `#`, or the numbers of a constant; nothing else in a model is. */
const prefix = 'blocks'

/** The next multiple of a block. */
export function roundedUp(extent: number, block: number): number {
  return Math.ceil(extent / block) * block
}

/** How many channels lack to the next multiple of 4: the engine reorders channels into blocks in fours. */
export function lackingToFours(channels: number): number {
  return roundedUp(channels, 4) - channels
}

/** The filled fraction of its blocks, 0 to 1. */
export function filling(extent: number, block: number): number {
  return extent === 0 ? 0 : extent / roundedUp(extent, block)
}

/** The number of an attribute that is a float; undefined for another one, or none. */
export function floatOf(attribute: OnnxAttribute | undefined): number | undefined {
  return typeof attribute === 'object' && 'float' in attribute ? attribute.float : undefined
}

/**
 * A model on its way to ops on blocks: the nodes written so far, and what they share. An activation [N, C, H, W] in blocks
 * of b channels is [N, C / b, H, W, b] in memory, the last block filled with zeros, as long as all numbers are finite.
 */
export class Blocking {
  readonly nodes: OnnxNode[] = []
  readonly constants = new Map<string, OnnxTensor>()
  /** Constants that are inputs as well, see `lateInts`. */
  readonly late = new Map<string, OnnxValue>()
  readonly #activations = new Map<string, Blocks>()
  readonly #written = new Map<string, string>()
  readonly #shapes: ReadonlyMap<string, readonly Dim[]>
  readonly #given: ReadonlyMap<string, OnnxTensor>
  readonly #uses: ReadonlyMap<string, number>
  #label = ''
  #count = 0

  constructor(
    readonly block: number,
    model: OnnxModel,
  ) {
    this.#shapes = model.shapes ?? new Map()
    this.#given = new Map(model.initializers.map(tensor => [tensor.name, tensor]))
    this.#uses = usesIn(model)
  }

  /** Sets the node that is rewritten next; its replacements are named after it. */
  begin(node: OnnxNode): void {
    this.#label = node.name
  }

  /** Adds a node of the default domain and returns the name of its result. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
    output?: string,
  ): string {
    return this.#add(op, undefined, inputs, attributes, output)
  }

  /** Adds a node of the engine's own domain and returns the name of its result. */
  blocked(
    op: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
    output?: string,
  ): string {
    return this.#add(op, blockedDomain, inputs, attributes, output)
  }

  /** Adds a product of stacks of matrices, transposed where `transA` or `transB` is 1, and returns the name of its result. */
  fusedMatMul(inputs: readonly [string, string], attributes: OnnxNode['attributes']): string {
    return this.#add('FusedMatMul', fusedDomain, inputs, attributes)
  }

  /** What `write` has written under this key before, or writes now. */
  once(key: string, write: () => string): string {
    const known = this.#written.get(key)
    if (known !== undefined) return known
    const name = write()
    this.#written.set(key, name)
    return name
  }

  /** The name of an activation in blocks. It is converted once, however often it is requested. */
  inBlocks(plain: string): string {
    const known = this.#activations.get(plain)
    if (known !== undefined) return known.name
    const channels = this.#shapes.get(plain)?.[1]
    const lacking = typeof channels === 'number' ? lackingToFours(channels) : 0
    const inFours = lacking === 0 ? plain : this.node('Pad', [plain, this.ints(0, 0, 0, 0, 0, lacking, 0, 0)])
    const name = this.blocked('ReorderInput', [inFours])
    this.#activations.set(plain, { name, isCopy: true })
    return name
  }

  /** Records that an activation is in blocks, and converts it back for readers of the plain layout. */
  made(plain: string, blocks: string, channels: number): void {
    this.#activations.set(plain, { name: blocks, isCopy: false })
    this.blocked('ReorderOutput', [blocks], { channels }, plain)
  }

  /** Whether an activation is in blocks already. */
  isInBlocks(plain: string): boolean {
    return this.#activations.has(plain)
  }

  /** Whether an activation was made in blocks, so that the plain layout is computed only if needed. */
  isMadeInBlocks(plain: string): boolean {
    return this.#activations.get(plain)?.isCopy === false
  }

  /**
   * Takes back the convolution on blocks that made an activation, so that it can be written again with more to it: one that still
   * has `room`. Undefined where something else made it, or anything but one node reads it. The one that reads it must be written
   * next: nothing computes the value any more, and the reordering that takes it out of its blocks is left for `withoutUnused`.
   */
  takeBack(plain: string, room: (convolution: OnnxNode) => boolean): OnnxNode | undefined {
    const blocks = this.#activations.get(plain)
    if (blocks === undefined || this.#uses.get(plain) !== 1) return undefined
    const at = this.nodes.findLastIndex(({ outputs }) => outputs[0] === blocks.name)
    const node = this.nodes[at]
    if (node?.op !== 'Conv' || !room(node)) return undefined
    this.nodes.splice(at, 1)
    return node
  }

  /** The shape of a value of the model, where it is known. */
  shapeOf(name: string): readonly Dim[] | undefined {
    return this.#shapes.get(name)
  }

  /** The numbers of an int64 constant of the model; undefined for anything else. */
  intsOf(name: string | undefined): number[] | undefined {
    const tensor = this.#given.get(name ?? '')
    if (tensor?.dtype !== 'int64') return undefined
    return Array.from(new BigInt64Array(tensor.bytes.slice().buffer), Number)
  }

  /** A one-dimensional int64 constant. */
  ints(...values: number[]): string {
    const name = `${prefix} ${values.join(' ')}`
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.constants.set(name, { name, dtype: 'int64', shape: [values.length], bytes })
    return name
  }

  /**
   * The same, but not known to the engine before it runs: an initializer that is listed as an input could be fed instead. So it knows no
   * size of what is reshaped by it. Values of a size that it knows ahead share memory with all later ones of the same size, which is
   * then held although nothing needs it: with those of Winograd's algorithm, until the backward pass.
   */
  lateInts(...values: number[]): string {
    const name = `${prefix} late ${values.join(' ')}`
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.constants.set(name, { name, dtype: 'int64', shape: [values.length], bytes })
    this.late.set(name, { name, dtype: 'int64', shape: [values.length] })
    return name
  }

  /** An int64 scalar constant. */
  int(value: number): string {
    const name = `${prefix} [${value}]`
    const bytes = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer)
    this.constants.set(name, { name, dtype: 'int64', shape: [], bytes })
    return name
  }

  /** A float32 constant with the same number everywhere. */
  filled(shape: readonly number[], value: number): string {
    const count = shape.reduce((size, extent) => size * extent, 1)
    return this.matrix(`${shape.join('×')} of ${value}`, shape, new Array<number>(count).fill(value))
  }

  /** A float32 constant. Its title states its numbers. */
  matrix(title: string, shape: readonly number[], values: readonly number[]): string {
    const name = `${prefix} ${title}`
    const bytes = new Uint8Array(Float32Array.from(values).buffer)
    this.constants.set(name, { name, dtype: 'float32', shape, bytes })
    return name
  }

  #add(
    op: string,
    domain: string | undefined,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'],
    output = `${prefix} #${this.#count}`,
  ): string {
    const name = `${this.#label} ${op} ${this.#count++}`
    this.nodes.push({
      op,
      name,
      inputs,
      outputs: [output],
      attributes,
      ...(domain === undefined ? {} : { domain }),
    })
    return output
  }
}

/** An activation in blocks. */
interface Blocks {
  readonly name: string
  /** Whether it is a copy of a plain one. */
  readonly isCopy: boolean
}

/** How often each value is read: by nodes, by the semantics of nodes, and as a result. */
function usesIn({ nodes, outputs }: OnnxModel): ReadonlyMap<string, number> {
  const uses = new Map<string, number>()
  const use = (name: string): string => {
    uses.set(name, (uses.get(name) ?? 0) + 1)
    return name
  }
  for (const { inputs, semantics } of nodes) {
    for (const name of inputs) use(name)
    if (semantics !== undefined) renamedSemantics(semantics, use)
  }
  for (const { name } of outputs) use(name)
  return uses
}

/** The same model without the nodes and constants that none of its outputs needs. */
export function withoutUnused(model: OnnxModel): OnnxModel {
  const needed = new Set(model.outputs.map(({ name }) => name))
  const nodes: OnnxNode[] = []
  for (const node of model.nodes.toReversed()) {
    if (!node.outputs.some(name => needed.has(name))) continue
    nodes.push(node)
    for (const name of node.inputs) needed.add(name)
  }
  const given = new Set(model.initializers.map(({ name }) => name))
  return {
    ...model,
    nodes: nodes.reverse(),
    inputs: model.inputs.filter(({ name }) => needed.has(name) || !given.has(name)),
    initializers: model.initializers.filter(({ name }) => needed.has(name)),
  }
}
