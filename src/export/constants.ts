import { fail } from '../base/errors.ts'
import { type State, sizeOf } from '../base/tensor.ts'
import { type NdArray, type Node, rewrite, type Tensor } from '../graph/index.ts'

/**
 * Replaces inputs by constants: parameters and statistics of the training become part of the graph.
 *
 * @param values - float32, by the names of the inputs; names that no input has are ignored
 * @returns the outputs, which need the other inputs only
 * @throws MoietyError (usage) for values of another dtype or shape than the input
 */
export function withConstants(outputs: ReadonlyMap<string, Tensor>, values: State): Map<string, Tensor> {
  const graph = [...outputs.values()][0]?.graph
  const names = new Map([...(graph?.inputs ?? [])].map(([name, tensor]) => [tensor.node, name] as const))
  return rewrite(outputs, node => {
    const name = names.get(node)
    const value = name === undefined ? undefined : values.get(name)
    if (name === undefined || value === undefined) return undefined
    const [input] = node.tensors
    if (!(value.data instanceof Float32Array) || value.shape.join() !== input?.shape.join()) {
      return fail({
        kind: 'usage',
        message: `expected float32 [${input?.shape.join(', ')}], but got ${value.dtype} [${value.shape.join(', ')}]`,
        where: name,
        help: 'pass values of the declared shape',
      })
    }
    return [node.graph.stored(name, value.shape, value.data)]
  })
}

/**
 * Constant folding in float64, unless the result is larger than its inputs:
 * a tensor of zeros is better computed than stored.
 */
export function foldConstants(outputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return rewrite(outputs, (node, inputs) => {
    const values = inputs.map(constantOf)
    if (inputs.length === 0 || !values.every(value => value !== undefined)) return undefined
    const room = values.reduce((total, value) => total + value.data.length, 0)
    if (!node.outputs.every(({ dtype, shape }) => dtype === 'float32' && extentOf(shape) <= room))
      return undefined
    return node.evaluate(values).map((value, i) => storedAt(node, i, value))
  })
}

/** The values of a tensor that is a constant; undefined for any other. */
export function constantOf({ node }: Tensor): NdArray | undefined {
  return node.name === 'stored' || node.name === 'constant' ? node.evaluate([])[0] : undefined
}

/** A constant that replaces a node's output, under a unique name. */
function storedAt(node: Node, output: number, { shape, data }: NdArray): Tensor {
  return node.graph.stored(`${node.label}#${node.id}${output === 0 ? '' : `.${output}`}`, shape, data)
}

/** Number of elements; infinite if known only when the graph runs. */
function extentOf(shape: Tensor['shape']): number {
  const known = shape.filter(dim => typeof dim === 'number')
  return known.length === shape.length ? sizeOf(known) : Number.POSITIVE_INFINITY
}
