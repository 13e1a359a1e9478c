import { apply, shapeError, type Tensor } from '../graph.ts'
import type { NdArray } from '../ndarray.ts'
import { sum } from './broadcast.ts'
import { add, exp, log, mul, stopGradient, sub } from './elementwise.ts'
import { max } from './reduce.ts'

/**
 * Softmax y_i = e^(x_i) / Σ_j e^(x_j) over the last axis, whose Jacobian is y_i(δ_ij − y_j), so
 * dx = y ⊙ (dy − Σ_j dy_j y_j).
 *
 * @throws MoietyError (usage) unless x is float32 and has an axis
 */
export function softmax(x: Tensor): Tensor {
  if (x.dtype !== 'float32' || x.rank === 0)
    return shapeError('softmax', 'a float32 tensor with an axis', [x])
  return apply({
    name: 'softmax',
    inputs: [x],
    outputs: [x],
    gradient: ([dy], [y]) => [mul(y!, sub(dy!, sum(mul(dy!, y!), [x.rank - 1], { keepDims: true })))],
    lower: (emit, names) => [emit.node('Softmax', names, { axis: -1 })],
    evaluate: ([value]) => [alongRows(value!, logits => logSoftmaxOf(logits).map(Math.exp))],
  })
}

/**
 * Logarithm of the softmax over the last axis; dx = dy − softmax(x)·Σ_j dy_j.
 *
 * @throws MoietyError (usage) unless x is float32 and has an axis
 */
export function logSoftmax(x: Tensor): Tensor {
  if (x.dtype !== 'float32' || x.rank === 0)
    return shapeError('logSoftmax', 'a float32 tensor with an axis', [x])
  return apply({
    name: 'logSoftmax',
    inputs: [x],
    outputs: [x],
    gradient: ([dy], [y]) => [sub(dy!, mul(exp(y!), sum(dy!, [x.rank - 1], { keepDims: true })))],
    lower: (emit, names) => [emit.node('LogSoftmax', names, { axis: -1 })],
    evaluate: ([value]) => [alongRows(value!, logSoftmaxOf)],
  })
}

/** ln Σ_j e^(x_j) over the last axis, shifted by the largest so that nothing overflows. */
export function logSumExp(x: Tensor): Tensor {
  const last = x.rank - 1
  const shift = stopGradient(max(x, [last], { keepDims: true }))
  return add(log(sum(exp(sub(x, shift)), [last])), sum(shift, [last]))
}

/** Shifted by the largest before anything else, so that logits of any size keep their differences. */
function logSoftmaxOf(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const total = Math.log(row.reduce((powers, z) => powers + Math.exp(z - top), 0))
  return row.map(z => z - top - total)
}

function alongRows(array: NdArray, f: (row: Float64Array) => Float64Array): NdArray {
  const length = array.shape.at(-1)!
  const data = new Float64Array(array.data.length)
  for (let start = 0; start < data.length; start += length)
    data.set(f(array.data.subarray(start, start + length)), start)
  return { shape: array.shape, data }
}
