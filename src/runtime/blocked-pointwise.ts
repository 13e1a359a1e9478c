import { sameShape } from '../graph/dims.ts'
import type { OnnxNode } from '../graph/onnx.ts'
import { type Blocking, floatOf } from './blocking.ts'

/**
 * Ops on each number by itself, for which an activation in blocks can stay there. All make 0 of zeros, so that a block that is
 * not full stays filled with them.
 */
const pointwise = new Set(['Add', 'HardSigmoid', 'Mul', 'Relu', 'Sub'])

/** Whether a node is one of these ops, on values of one and the same shape. */
export function isPointwise(emit: Blocking, { op, inputs, attributes }: OnnxNode): boolean {
  if (!pointwise.has(op)) return false
  if (op === 'HardSigmoid' && floatOf(attributes.beta) !== 0) return false
  const [first, ...others] = inputs.map(name => emit.shapeOf(name))
  return first !== undefined && others.every(shape => shape !== undefined && sameShape(shape, first))
}

/**
 * The same in the blocked layout. A convolution can add to its result, and apply a relu, in the pass that writes it; so where one
 * made what is read here and nothing else reads that, it does this too.
 *
 * @returns the result in blocks
 */
export function blockedPointwise(emit: Blocking, { op, inputs, attributes }: OnnxNode): string {
  const blocks = inputs.map(name => emit.inBlocks(name))
  if (op === 'Relu') {
    const made = emit.takeBack(inputs[0]!, canCutOff)
    if (made !== undefined)
      return emit.blocked('Conv', made.inputs, { ...made.attributes, activation: 'Relu' })
  }
  if (op === 'Add') {
    for (const [at, name] of inputs.entries()) {
      const made = emit.takeBack(name, canAdd)
      if (made === undefined) continue
      const [x, kernel, bias = ''] = made.inputs as readonly [string, string, string?]
      return emit.blocked('Conv', [x, kernel, bias, blocks[1 - at]!], made.attributes)
    }
  }
  return emit.node(op, blocks, attributes)
}

/** It cuts off what is negative once, last of all. */
function canCutOff({ attributes }: OnnxNode): boolean {
  return attributes.activation === undefined
}

/** It adds one value, its fourth input, before that. */
function canAdd(convolution: OnnxNode): boolean {
  return convolution.inputs.length < 4 && canCutOff(convolution)
}
