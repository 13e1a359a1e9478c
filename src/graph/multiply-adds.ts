import type { Shape } from './dims.ts'
import type { Node, Tensor } from './graph.ts'
import { reachableNodes } from './interpreter.ts'

/**
 * Multiply–adds of the convolutions and matrix products that outputs need, as fvcore and torchvision count them: a convolution has
 * for each number of its result C / groups · kH · kW of them, a matrix product its inner extent. Extents that are known only
 * when the graph runs, which are numbers of images, count as 1. Additions of biases, normalisations, activations and pooling are not counted.
 *
 * @param partOf - which part of a node counts; all of it by default
 */
export function multiplyAddsOf(outputs: readonly Tensor[], partOf: (node: Node) => number = () => 1): number {
  return reachableNodes(outputs).reduce((total, node) => {
    const inner = innerExtent(node)
    return inner === 0 ? total : total + inner * sizeOfKnown(node.outputs[0]!.shape) * partOf(node)
  }, 0)
}

/** How many products each number of a node's result sums up; 0 for a node of another kind. */
function innerExtent({ name, inputs, attributes }: Node): number {
  const [first, second] = inputs
  switch (name) {
    case 'conv2d':
      return sizeOfKnown(second!.shape.slice(1))
    case 'gemm':
      return sizeOfKnown([first!.dim(attributes?.transposeA === true ? 0 : 1)])
    case 'matmul':
      return sizeOfKnown([first!.dim(-1)])
    default:
      return 0
  }
}

function sizeOfKnown(shape: Shape): number {
  return shape.reduce<number>((size, extent) => (typeof extent === 'number' ? size * extent : size), 1)
}
