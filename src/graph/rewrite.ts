import type { Node, Tensor } from './graph.ts'
import { reachableNodes } from './interpreter.ts'

/**
 * What stands in the place of a node: tensors of the same dtypes and shapes as its own, or undefined to leave it as it is.
 *
 * @param inputs - what now stands in the place of the node's inputs
 */
export type Replace = (node: Node, inputs: readonly Tensor[]) => readonly Tensor[] | undefined

/**
 * Rewrites what `outputs` need, from the inputs to the outputs, on the same graph: ops are immutable, so whatever uses a
 * replaced tensor is made anew. The result can be run, not differentiated: the gradients of what was made anew would
 * speak of the tensors that it was made from.
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

/** The same op at the same place, with the same attributes, of other inputs. It has no gradient. */
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
