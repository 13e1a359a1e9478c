import { sameShape } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { stretchedReader, tabulate } from '../ndarray.ts'
import { fold, normaliseAxes, type ReduceOptions, reducedShape, withReducedAxes } from './reduced-axes.ts'
import { reshapeLike } from './shape.ts'

/** Repeating along axes and summing over them: each is the other's gradient. */

/**
 * Σ over `axes` (default: all). Its gradient is the upstream gradient, repeated along them.
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

/** Sums a gradient over the axes along which `like` was stretched, giving it `like`'s shape. */
export function sumTo(gradient: Tensor, like: Tensor): Tensor {
  const lead = gradient.rank - like.rank
  const axes: number[] = []
  for (let axis = 0; axis < gradient.rank; axis++) {
    if (axis < lead || (like.shape[axis - lead] === 1 && gradient.shape[axis] !== 1)) axes.push(axis)
  }
  if (axes.length === 0) return gradient
  return reshapeLike(sum(gradient, axes, { keepDims: true }), like)
}

/**
 * Repeats x along its stretched axes to the shape of another tensor; only that tensor's shape is used.
 *
 * @throws MoietyError (usage) unless every extent is 1 or that of the other
 */
export function expandLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x
  const lead = like.rank - x.rank
  if (lead < 0 || x.shape.some((dim, axis) => dim !== 1 && dim !== like.shape[axis + lead])) {
    return shapeError('expandLike', 'a tensor that stretches to the shape of the other', [x, like])
  }
  const known = like.shape.filter(dim => typeof dim === 'number')
  const isKnown = known.length === like.rank
  return apply({
    name: 'expandLike',
    inputs: isKnown ? [x] : [x, like],
    outputs: [{ dtype: x.dtype, shape: like.shape }],
    attributes: { shape: like.shape },
    gradient: ([dy]) => [sumTo(dy!, x)],
    lower: (emit, [name, other]) => [
      emit.node('Expand', [name!, isKnown ? emit.ints(...known) : emit.node('Shape', [other!])]),
    ],
    evaluate: ([value, other]) => {
      const shape = other?.shape ?? known
      return [tabulate(shape, stretchedReader(value!, shape))]
    },
  })
}

/** Zeros, float32, of the shape of x; only its shape is used. */
export function zerosLike(x: Tensor): Tensor {
  return filledLike(x, 0)
}

/** Ones, float32, of the shape of x; only its shape is used. */
export function onesLike(x: Tensor): Tensor {
  return filledLike(x, 1)
}

/** A float32 tensor of the shape of x, every element `value`. */
export function filledLike(x: Tensor, value: number): Tensor {
  return expandLike(x.graph.scalar(value), x)
}
