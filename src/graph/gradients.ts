import { fail } from '../base/errors.ts'
import { showShape } from './dims.ts'
import type { Tensor } from './graph.ts'
import { onesLike, zerosLike } from './ops/broadcast.ts'
import { accumulate } from './ops/indexing.ts'

/**
 * Reverse mode: for each tensor of `wrt`, the gradient of the scalar `loss` as a symbolic tensor of the same
 * shape; zeros where the loss does not depend on it.
 *
 * Nodes are numbered in the order they were made, which is topological. Walking the numbers downwards, a node's
 * outputs have received all their contributions before its rule computes those of its inputs.
 *
 * @throws MoietyError (usage) if `loss` is not a float32 scalar, or an op on the way has no gradient
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.rank !== 0 || loss.dtype !== 'float32') {
    fail({
      kind: 'usage',
      message: `gradients expected a float32 scalar, but got ${loss.dtype}${showShape(loss.shape)}`,
      where: loss.label,
      help: 'reduce it with sum or mean first',
    })
  }
  const graph = loss.graph
  const needed = nodesBetween(loss, wrt)
  const received = new Map<Tensor, Tensor>([[loss, onesLike(loss)]])
  const receive = (tensor: Tensor, gradient: Tensor): void => {
    const before = received.get(tensor)
    received.set(tensor, before === undefined ? gradient : accumulate(before, gradient))
  }
  for (let id = loss.node.id; id >= 0; id--) {
    const node = graph.nodes[id]!
    if (!needed.has(id) || node.inputs.length === 0) continue
    const upstream = node.tensors.map(tensor => received.get(tensor))
    if (upstream.every(gradient => gradient === undefined)) continue
    if (node.gradient === undefined) {
      fail({
        kind: 'usage',
        message: `${node.name} has no gradient, but the loss depends on it`,
        where: node.label,
        help: 'put stopGradient around it, or differentiate with respect to something else',
      })
    }
    graph.within(`gradient of ${node.label}`, () => {
      const contributions = node.gradient!(upstream, node.tensors)
      for (const [position, gradient] of contributions.entries()) {
        const input = node.inputs[position]
        if (gradient !== undefined && input !== undefined && needed.has(input.node.id))
          receive(input, gradient)
      }
    })
  }
  return wrt.map(tensor => received.get(tensor) ?? zerosLike(tensor))
}

/** Numbers of the nodes that lie on a path from `wrt` to `loss`: the only ones that need a gradient. */
function nodesBetween(loss: Tensor, wrt: readonly Tensor[]): ReadonlySet<number> {
  const depends = new Set<number>(wrt.map(tensor => tensor.node.id))
  for (const node of loss.graph.nodes) {
    if (node.id > loss.node.id) break
    if (node.inputs.some(input => depends.has(input.node.id))) depends.add(node.id)
  }
  return depends
}
