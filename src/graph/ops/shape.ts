import { dimProduct, type Shape, sameShape, showShape } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, type NdArray, stridesOf, tabulate } from '../ndarray.ts'

/**
 * Views and rearrangements: reshape, transpose, slice, concat, pad, expand. Their gradients are each other.
 */

/**
 * The same values in another shape. At most one extent of the new shape may be symbolic; it is found from the
 * number of elements when the graph runs.
 *
 * @throws MoietyError (usage) for another number of elements or more than one symbolic extent
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sameShape(shape, x.shape)) return x
  const symbolic = shape.filter(dim => typeof dim === 'string').length
  const [from, to] = [dimProduct(x.shape), dimProduct(shape)]
  if (symbolic > 1 || (typeof from === 'number' && typeof to === 'number' && from !== to)) {
    return shapeError('reshape', `as many elements as ${showShape(shape)} has, at most one extent symbolic`, [
      x,
    ])
  }
  return apply({
    name: 'reshape',
    inputs: [x],
    outputs: [{ dtype: x.dtype, shape }],
    attributes: { shape },
    gradient: ([dy]) => [reshapeLike(dy!, x)],
    lower: (emit, [name]) => {
      const target = shape.map(dim => (typeof dim === 'string' ? -1 : dim))
      return [emit.node('Reshape', [name!, emit.ints(...target)])]
    },
    evaluate: ([value]) => [{ shape: resolveShape(shape, value!), data: value!.data }],
  })
}

/** The numbers of a shape with at most one symbolic extent, given the values that fill it. */
function resolveShape(shape: Shape, value: NdArray): number[] {
  const known = shape.filter(dim => typeof dim === 'number').reduce((product, dim) => product * dim, 1)
  return shape.map(dim => (typeof dim === 'number' ? dim : value.data.length / known))
}

/** Reshapes to the shape another tensor has when the graph runs. */
export function reshapeLike(x: Tensor, like: Tensor): Tensor {
  if (sameShape(x.shape, like.shape)) return x
  if (like.shape.filter(dim => typeof dim === 'string').length <= 1) return reshape(x, like.shape)
  return apply({
    name: 'reshapeLike',
    inputs: [x, like],
    outputs: [{ dtype: x.dtype, shape: like.shape }],
    gradient: ([dy]) => [reshapeLike(dy!, x), undefined],
    lower: (emit, [name, other]) => [emit.node('Reshape', [name!, emit.node('Shape', [other!])])],
    evaluate: ([value, other]) => [{ shape: other!.shape, data: value!.data }],
  })
}

/**
 * Axes in a new order: axis i of the result is axis `order[i]` of x.
 *
 * @throws MoietyError (usage) unless `order` is a permutation of the axes
 */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  if (
    order.length !== x.rank ||
    new Set(order).size !== x.rank ||
    order.some(axis => x.shape[axis] === undefined)
  ) {
    return shapeError('transpose', `a permutation of ${x.rank} axes (got ${order.join(', ')})`, [x])
  }
  if (order.every((axis, i) => axis === i)) return x
  return apply({
    name: 'transpose',
    inputs: [x],
    outputs: [{ dtype: x.dtype, shape: order.map(axis => x.shape[axis]!) }],
    attributes: { order },
    gradient: ([dy]) => [
      transpose(
        dy!,
        order.map((_, axis) => order.indexOf(axis)),
      ),
    ],
    lower: (emit, names) => [emit.node('Transpose', names, { perm: order })],
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      const own = order.map(axis => strides[axis]!)
      const shape = order.map(axis => value!.shape[axis]!)
      return [tabulate(shape, index => value!.data[flatIndex(own, index)]!)]
    },
  })
}

/** How many elements the given axes span, as a float32 scalar; known only when the graph runs if one is symbolic. */
export function sizeOfAxes(x: Tensor, axes: readonly number[]): Tensor {
  const known = dimProduct(axes.map(axis => x.dim(axis)))
  if (typeof known === 'number') return x.graph.scalar(known)
  return apply({
    name: 'sizeOfAxes',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: [] }],
    attributes: { axes },
    gradient: () => [],
    lower: (emit, [name]) => {
      const extents = emit.node('Gather', [emit.node('Shape', [name!]), emit.ints(...axes)], { axis: 0 })
      const product = emit.node('ReduceProd', [extents, emit.ints(0)], { keepdims: 0 })
      return [emit.node('Cast', [product], { to: 1 })]
    },
    evaluate: ([value]) => [
      { shape: [], data: Float64Array.of(axes.reduce((product, axis) => product * value!.shape[axis]!, 1)) },
    ],
  })
}
