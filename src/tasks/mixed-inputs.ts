import type { Dim, Graph, Tensor } from '../graph/index.ts'

/** Names of the inputs of a step for mixed images of one class each, besides `images` and `labels`. */
export const mixedInputs = { others: 'otherLabels', shares: 'labelShares' } as const

/**
 * λ of each image, float32 [N].
 *
 * @param images - N
 */
export function shareInput(graph: Graph, images: Dim): Tensor {
  return graph.input(mixedInputs.shares, 'float32', [images], {
    least: 0,
    most: 1,
    expected: "the share of each image's own labels, from 0 to 1",
    help: 'feed what mixLabels returns',
  })
}
