import { type Dim, dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, type NdArray, stridesOf, tabulate, zeros } from '../ndarray.ts'
import { asFloat, div, equal, mul, sub } from './elementwise.ts'
import { expandLike, reshape, sizeOfAxes } from './shape.ts'

/** What a reduction does with the axes that it reduces. */
export interface ReduceOptions {
  /** Keep the reduced axes with extent 1. */
  readonly keepDims?: boolean
}

/** Axes without repetition, counted from the front; all of them when none are given. */
function normaliseAxes(op: string, x: Tensor, axes: readonly number[] | undefined): number[] {
  const all = (axes ?? x.shape.map((_, axis) => axis)).map(axis => (axis < 0 ? axis + x.rank : axis))
  if (
    all.some(axis => axis < 0 || axis >= x.rank || !Number.isInteger(axis)) ||
    new Set(all).size !== all.length
  ) {
    return shapeError(op, `distinct axes of the tensor (got ${axes?.join(', ')})`, [x])
  }
  return all.sort((a, b) => a - b)
}

function reducedShape(x: Tensor, axes: readonly number[], keepDims: boolean): Dim[] {
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  return keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis))
}

/** Folds the values along `axes`, in order, starting from `start`. */
function fold(
  array: NdArray,
  axes: readonly number[],
  keepDims: boolean,
  start: number,
  step: (a: number, b: number) => number,
): NdArray {
  const kept = array.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))
  const result = zeros(kept)
  result.data.fill(start)
  const strides = stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride))
  tabulate(array.shape, index => {
    const to = flatIndex(strides, index)
    result.data[to] = step(result.data[to]!, array.data[flatIndex(stridesOf(array.shape), index)]!)
    return 0
  })
  return { shape: keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis)), data: result.data }
}

/** Inserts the reduced axes again (extent 1), so that a reduced value broadcasts against the original. */
function withReducedAxes(reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return reshape(reduced, reducedShape(x, axes, true))
}

/**
 * Σ over `axes` (default: all). Its gradient is the upstream one, repeated along them.
 *
 * @throws MoietyError (usage) for bool, or axes that x does not have
 */
export function sum(x: Tensor, axes?: readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const over = normaliseAxes('sum', x, axes)
  if (x.dtype !== 'float32' && x.dtype !== 'int64') return shapeError('sum', 'numbers', [x])
  if (over.length === 0) return x
  return apply({
    name: 'sum',
    inputs: [x],
    outputs: [{ dtype: x.dtype, shape: reducedShape(x, over, keepDims) }],
    attributes: { axes: over, keepDims },
    gradient: ([dy]) => [expandLike(withReducedAxes(dy!, x, over), x)],
    lower: (emit, [name]) => [emit.node('ReduceSum', [name!, emit.ints(...over)], { keepdims: +keepDims })],
    evaluate: ([value]) => [fold(value!, over, keepDims, 0, (a, b) => a + b)],
  })
}

/**
 * Σ x² over all axes, which leaves no tensor of squares behind.
 *
 * @throws MoietyError (usage) for another dtype than float32
 */
export function sumOfSquares(x: Tensor): Tensor {
  if (x.dtype !== 'float32') return shapeError('sumOfSquares', 'a float32 tensor', [x])
  const over = normaliseAxes('sumOfSquares', x, undefined)
  return apply({
    name: 'sumOfSquares',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: [] }],
    gradient: ([dy]) => [mul(x, mul(dy!, 2))],
    lower: (emit, [name]) => [emit.node('ReduceSumSquare', [name!, emit.ints(...over)], { keepdims: 0 })],
    evaluate: ([value]) => [fold(value!, over, false, 0, (total, v) => total + v * v)],
  })
}

/**
 * Arithmetic mean over `axes` (default: all).
 *
 * @throws MoietyError (usage) for another dtype than float32, or axes that x does not have
 */
export function mean(x: Tensor, axes?: readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const over = normaliseAxes('mean', x, axes)
  if (x.dtype !== 'float32') return shapeError('mean', 'a float32 tensor', [x])
  return apply({
    name: 'mean',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: reducedShape(x, over, keepDims) }],
    attributes: { axes: over, keepDims },
    gradient: ([dy]) => [expandLike(div(withReducedAxes(dy!, x, over), sizeOfAxes(x, over)), x)],
    lower: (emit, [name]) => [emit.node('ReduceMean', [name!, emit.ints(...over)], { keepdims: +keepDims })],
    evaluate: ([value]) => {
      const total = fold(value!, over, keepDims, 0, (a, b) => a + b)
      const count = over.reduce((product, axis) => product * value!.shape[axis]!, 1)
      return [{ shape: total.shape, data: total.data.map(v => v / count) }]
    },
  })
}

/**
 * Largest value over `axes`; elements that tie for it share the gradient equally.
 *
 * @throws MoietyError (usage) for another dtype than float32, or axes that x does not have
 */
export function max(x: Tensor, axes?: readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const over = normaliseAxes('max', x, axes)
  if (x.dtype !== 'float32') return shapeError('max', 'a float32 tensor', [x])
  return apply({
    name: 'max',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: reducedShape(x, over, keepDims) }],
    attributes: { axes: over, keepDims },
    gradient: ([dy], [y]) => {
      const winners = asFloat(equal(x, withReducedAxes(y!, x, over)))
      const share = div(winners, sum(winners, over, { keepDims: true }))
      return [mul(share, withReducedAxes(dy!, x, over))]
    },
    lower: (emit, [name]) => [emit.node('ReduceMax', [name!, emit.ints(...over)], { keepdims: +keepDims })],
    evaluate: ([value]) => [fold(value!, over, keepDims, Number.NEGATIVE_INFINITY, Math.max)],
  })
}

/**
 * Variance over `axes`.
 *
 * @param correction - subtracted from the count in the denominator: 0 population, 1 unbiased
 * @throws MoietyError (usage) for another dtype than float32, or axes that x does not have
 */
export function variance(
  x: Tensor,
  axes?: readonly number[],
  { keepDims = false, correction = 0 }: ReduceOptions & { readonly correction?: number } = {},
): Tensor {
  const over = normaliseAxes('variance', x, axes)
  const count = dimProduct(over.map(axis => x.dim(axis)))
  const deviation = sub(x, mean(x, over, { keepDims: true }))
  const total = sum(mul(deviation, deviation), over, { keepDims })
  return div(total, typeof count === 'number' ? count - correction : sub(sizeOfAxes(x, over), correction))
}
