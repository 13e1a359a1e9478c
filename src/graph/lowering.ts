import { fail } from '../base/errors.ts'
import type { GraphDType } from './dtype.ts'
import type { Attributes, Emitter } from './emitter.ts'
import type { Node, Tensor } from './graph.ts'
import { reachableNodes } from './interpreter.ts'
import { type NodeSemantics, renamedSemantics } from './node-semantics.ts'
import { encodeOnnx, type OnnxModel, type OnnxNode, type OnnxTensor, type OnnxValue } from './onnx.ts'
import type { Program } from './program.ts'

/** What else goes into the ONNX file. */
export interface LoweringOptions {
  /** Name of the graph inside the file. */
  readonly name?: string
  /** Metadata of the file, as key-value pairs. */
  readonly metadata?: Readonly<Record<string, string>>
  /**
   * Declare the shapes of all values with symbolic extents, so that readers of
   * the file know which ones are equal. Default: false.
   */
  readonly extents?: boolean
}

/**
 * Writes the part of a graph that `outputs` need as an ONNX model.
 *
 * @param outputs - the requested tensors, by the names they get in the file
 * @returns the model with its inputs (in the order they were declared) and outputs
 * @throws MoietyError (usage) when an output has the name of an input
 */
export function lower(outputs: ReadonlyMap<string, Tensor>, options: LoweringOptions = {}): Program {
  const wanted = [...outputs.values()]
  const nodes = reachableNodes(wanted)
  const names = new Map<Tensor, string>()
  const writer = new Writer()
  for (const node of nodes) {
    writer.enter(node.label)
    const inputs = node.inputs.map(tensor => names.get(tensor)!)
    for (const [index, name] of node.lower(writer, inputs).entries()) {
      names.set(node.tensors[index]!, name)
    }
  }
  const declared = nodes.filter(node => node.name === 'input').map(node => node.tensors[0]!)
  const inputs = declared.map(tensor => {
    const name = names.get(tensor)!
    const takes = tensor.graph.takes.get(name)
    return { name, dtype: tensor.dtype, shape: tensor.shape, ...(takes === undefined ? {} : { takes }) }
  })
  const results = [...outputs].map(([name, tensor]) => ({ name, dtype: tensor.dtype, shape: tensor.shape }))
  for (const [name, tensor] of outputs) {
    if (inputs.some(input => input.name === name)) {
      fail({
        kind: 'usage',
        message: `output "${name}" has the name of an input`,
        where: tensor.label,
        help: 'choose another name for the output',
      })
    }
  }
  const renamed = writer.publish(new Map([...outputs].map(([name, tensor]) => [name, names.get(tensor)!])))
  for (const [tensor, name] of names) names.set(tensor, renamed.get(name) ?? name)
  const model: OnnxModel = {
    name: options.name ?? 'moiety',
    nodes: writer.written,
    initializers: writer.initializers,
    inputs,
    outputs: results,
    shapes: new Map([...names].map(([tensor, name]) => [name, tensor.shape])),
    ...(options.extents === true ? { values: symbolicValues(nodes, names, writer.written, outputs) } : {}),
    ...(options.metadata === undefined ? {} : { metadata: options.metadata }),
  }
  return { model: encodeOnnx(model), graph: model, inputs, outputs: results }
}

/** Intermediate values with a symbolic extent. */
function symbolicValues(
  nodes: readonly Node[],
  names: ReadonlyMap<Tensor, string>,
  written: readonly OnnxNode[],
  outputs: ReadonlyMap<string, Tensor>,
): OnnxValue[] {
  const made = new Set(written.flatMap(node => node.outputs).filter(name => !outputs.has(name)))
  const values = nodes
    .flatMap(node => node.tensors)
    .filter(({ shape }) => shape.some(dim => typeof dim === 'string'))
    .map(tensor => ({ name: names.get(tensor)!, dtype: tensor.dtype, shape: tensor.shape }))
    .filter(({ name }) => made.has(name))
  // Two tensors may be one value in the file, such as a tensor and the same without its gradient.
  return [...new Map(values.map(value => [value.name, value])).values()]
}

class Writer implements Emitter {
  readonly written: OnnxNode[] = []
  readonly initializers: OnnxTensor[] = []
  readonly #constants = new Map<string, string>()
  #label = ''
  #count = 0
  #serial = 0

  enter(label: string): void {
    this.#label = label
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodes(op, inputs, attributes, 1)[0]!
  }

  annotate(output: string, semantics: NodeSemantics): void {
    const last = this.written.pop()!
    if (last.outputs[0] !== output) throw new Error(`${output} is not the output of the last node`)
    this.written.push({ ...last, semantics })
  }

  nodes(op: string, inputs: readonly string[], attributes: Attributes, count: number): string[] {
    const number = this.#count++
    const outputs = Array.from({ length: count }, (_, i) => `t${number}${i === 0 ? '' : `_${i}`}`)
    this.written.push({ op, name: `${this.#label}#${number}`, inputs, outputs, attributes })
    return outputs
  }

  constant(dtype: GraphDType, shape: readonly number[], values: readonly number[]): string {
    const key = `${dtype}|${shape.join(',')}|${values.join(',')}`
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const name = `c${this.#constants.size}`
    this.#constants.set(key, name)
    this.initializers.push({ name, dtype, shape, bytes: bytesOf(dtype, values) })
    return name
  }

  stored(name: string, shape: readonly number[], data: Float32Array | Float64Array): string {
    if (this.initializers.some(tensor => tensor.name === name)) {
      fail({
        kind: 'usage',
        message: `two constants of a file have the name "${name}"`,
        where: this.#label,
        help: 'rename one of them',
      })
    }
    const values = Float32Array.from(data)
    this.initializers.push({ name, dtype: 'float32', shape, bytes: new Uint8Array(values.buffer) })
    return name
  }

  ints(...values: number[]): string {
    return this.constant('int64', [values.length], values)
  }

  float(value: number): string {
    return this.constant('float32', [], [value])
  }

  serial(): number {
    this.#serial += 1
    return this.#serial
  }

  /**
   * Gives values their names in the file. A value that a node makes is renamed, at no cost; an input, a
   * constant or a value that has a name already is copied.
   *
   * @returns the new names, by the old ones
   */
  publish(values: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    const made = new Set(this.written.flatMap(node => node.outputs))
    const renamed = new Map<string, string>()
    const copies: OnnxNode[] = []
    for (const [name, value] of values) {
      if (made.has(value) && !renamed.has(value)) renamed.set(value, name)
      else
        copies.push({
          op: 'Identity',
          name: `output ${name}`,
          inputs: [value],
          outputs: [name],
          attributes: {},
        })
    }
    const rename = (old: string): string => renamed.get(old) ?? old
    for (const copy of copies) this.written.push(copy)
    // In place, one by one: a hundred thousand nodes are more than a call takes as arguments.
    for (const [i, node] of this.written.entries()) {
      this.written[i] = {
        ...node,
        inputs: node.inputs.map(rename),
        outputs: node.outputs.map(rename),
        ...(node.semantics === undefined ? {} : { semantics: renamedSemantics(node.semantics, rename) }),
      }
    }
    return renamed
  }
}

function bytesOf(dtype: GraphDType, values: readonly number[]): Uint8Array {
  switch (dtype) {
    case 'float32':
      return new Uint8Array(Float32Array.from(values).buffer)
    case 'int64':
      return new Uint8Array(BigInt64Array.from(values, value => BigInt(value)).buffer)
    case 'bool':
    case 'uint8':
      return Uint8Array.from(values)
  }
}
