import type { Node, Tensor } from './graph.ts'
import { reachableNodes } from './interpreter.ts'

/**
 * The replacement of a node's outputs: tensors of the same dtypes and shapes, or undefined to keep the node.
 *
 * @param inputs - the replaced inputs of the node
 */
export type Replace = (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | undefined

/**
 * Rewrites what `outputs` need, from the inputs to the outputs, on the same graph: ops are immutable, so whatever uses a
 * replaced tensor is rebuilt. The result can be run, but not differentiated: gradients of rebuilt nodes would
 * refer to the original tensors.
 *
 * @returns the outputs, by the same names
 */
export function rewrite(outputs: ReadonlyMap<string, Tensor>, replace: Replace): Map<string, Tensor> {
  const now = new Map<Tensor, Tensor>()
  for (const node of reachableNodes([...outputs.values()])) {
    const inputs = node.inputs.map(tensor => now.get(tensor)!)
    const isSame = inputs.every((tensor, i) => tensor === node.inputs[i])
    const tensors = replace(node, inputs) ?? (isSame ? node.tensors : withInputs(node, inputs))
    for (const [index, tensor] of node.tensors.entries()) now.set(tensor, tensors[index]!)
  }
  return new Map([...outputs].map(([name, tensor]) => [name, now.get(tensor)!]))
}

/** The same op with the same label and attributes on other inputs. It has no gradient. */
export function withInputs(node: Node, inputs: readonly Tensor[]): readonly Tensor[] {
  const { gradient: _, ...rule } = node
  const place = node.label.slice(0, Math.max(0, node.label.length - node.name.length - 1))
  return node.graph.within(place, () => node.graph.apply({ ...rule, inputs }))
}

/** How often each tensor is read, by a node that `outputs` need or as one of them. */
export function usesOf(outputs: ReadonlyMap<string, Tensor>): ReadonlyMap<Tensor, number> {
  const uses = new Map<Tensor, number>()
  const wanted = [...outputs.values()]
  for (const tensor of [...reachableNodes(wanted).flatMap(node => node.inputs), ...wanted])
    uses.set(tensor, (uses.get(tensor) ?? 0) + 1)
  return uses
}
