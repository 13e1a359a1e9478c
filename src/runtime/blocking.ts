import type { OnnxModel, OnnxNode, OnnxTensor } from '../graph/onnx.ts'

/** ONNX Runtime's own operator set for activations in blocks; its block size depends on the processor (`block-size.ts`). */
export const blockedDomain = 'com.microsoft.nchwc'

/** Values that are made here are called by it and a `#`, or a list of whole numbers; nothing else in a model is. */
const prefix = 'blocks'

/** The next multiple of a block. */
export function roundedUp(extent: number, block: number): number {
  return Math.ceil(extent / block) * block
}

/** The part of its blocks that an extent fills, 0 to 1. */
export function filling(extent: number, block: number): number {
  return extent === 0 ? 0 : extent / roundedUp(extent, block)
}

/**
 * A model on its way to ops on blocks: the nodes written so far, and what they share. An activation [N, C, H, W] in blocks
 * of b channels is [N, C / b, H, W, b] in memory, the last block filled with zeros.
 */
export class Blocking {
  readonly nodes: OnnxNode[] = []
  readonly constants = new Map<string, OnnxTensor>()
  /** Activations in blocks, by the name of the plain ones. */
  readonly #activations = new Map<string, string>()
  #label = ''
  #count = 0

  constructor(readonly block: number) {}

  /** Says which node is written next; those that take its place are named after it. */
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

  /** An activation in blocks. It is put there once, however often it is asked for. */
  activation(plain: string): string {
    const known = this.#activations.get(plain)
    if (known !== undefined) return known
    const blocks = this.blocked('ReorderInput', [plain])
    this.remember(plain, blocks)
    return blocks
  }

  /** Says under which name an activation is in blocks. */
  remember(plain: string, blocks: string): void {
    this.#activations.set(plain, blocks)
  }

  /** A one-dimensional int64 constant. */
  ints(...values: number[]): string {
    const name = `${prefix} ${values.join(' ')}`
    const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer)
    this.constants.set(name, { name, dtype: 'int64', shape: [values.length], bytes })
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

/** The same model without the nodes and constants that none of its outputs needs. */
export function withoutUnused(model: OnnxModel): OnnxModel {
  const needed = new Set(model.outputs.map(({ name }) => name))
  const nodes: OnnxNode[] = []
  for (const node of model.nodes.toReversed()) {
    if (!node.outputs.some(name => needed.has(name))) continue
    nodes.push(node)
    for (const name of node.inputs) needed.add(name)
  }
  return {
    ...model,
    nodes: nodes.reverse(),
    initializers: model.initializers.filter(({ name }) => needed.has(name)),
  }
}
