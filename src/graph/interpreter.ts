import { fail } from '../base/errors.ts'
import type { Node, Tensor } from './graph.ts'
import type { NdArray } from './ndarray.ts'

/**
 * Runs a graph in float64, one op at a time, in plain JavaScript. Slow and simple on purpose: it is the reference
 * for the engine, and is itself checked against finite differences.
 *
 * @param outputs - the requested tensors
 * @param feeds - a value for each input that they depend on, by name
 * @throws MoietyError (usage) when an input is missing
 */
export function interpret(outputs: readonly Tensor[], feeds: ReadonlyMap<string, NdArray>): NdArray[] {
  return interpretWith(outputs, feeds, (node, inputs) => node.evaluate(inputs))
}

/**
 * The same with other semantics for all nodes except inputs.
 *
 * @throws MoietyError (usage) when an input is missing
 */
export function interpretWith(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<string, NdArray>,
  evaluate: (node: Node, inputs: readonly NdArray[]) => readonly NdArray[],
): NdArray[] {
  const values = new Map<Node, readonly NdArray[]>()
  for (const node of reachableNodes(outputs)) {
    if (node.name === 'input') {
      const name = String(node.attributes?.name)
      const fed =
        feeds.get(name) ??
        fail({ kind: 'usage', message: `input "${name}" was not fed`, help: 'pass a value for it' })
      values.set(node, [fed])
      continue
    }
    const inputs = node.inputs.map(tensor => values.get(tensor.node)![tensor.index]!)
    values.set(node, evaluate(node, inputs))
  }
  return outputs.map(tensor => values.get(tensor.node)![tensor.index]!)
}

/** The nodes that `outputs` need, inputs before users: everything else is dead. */
export function reachableNodes(outputs: readonly Tensor[]): Node[] {
  const needed = new Set<Node>()
  const pending = outputs.map(tensor => tensor.node)
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (needed.has(node)) continue
    needed.add(node)
    for (const input of node.inputs) pending.push(input.node)
  }
  return [...needed].sort((a, b) => a.id - b.id)
}
