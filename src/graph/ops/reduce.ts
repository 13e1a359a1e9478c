import { dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { expandLike, sum } from './broadcast.ts'
import { asFloat, div, equal, mul, sub } from './elementwise.ts'
import { fold, normaliseAxes, type ReduceOptions, reducedShape, withReducedAxes } from './reduced-axes.ts'
import { sizeOfAxes } from './shape.ts'

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
