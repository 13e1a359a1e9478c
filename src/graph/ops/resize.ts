import { dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, stridesOf, tabulate } from '../ndarray.ts'
import { sum } from './reduce.ts'
import { reshape, reshapeLike } from './shape.ts'

/**
 * Enlarges x [N, C, H, W] by a whole factor, each value repeated in a factor × factor block (nearest
 * neighbour). Its gradient is the sum over each block.
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] and the factor a whole number from 1
 */
export function resizeNearest(x: Tensor, factor: number): Tensor {
  if (x.rank !== 4 || !Number.isInteger(factor) || factor < 1) {
    return shapeError('resizeNearest', `x [N, C, H, W] and a whole factor (got ${factor})`, [x])
  }
  const [N, C, H, W] = [x.shape[0]!, x.shape[1]!, x.shape[2]!, x.shape[3]!]
  return apply({
    name: 'resizeNearest',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: [N, C, dimProduct([H, factor]), dimProduct([W, factor])] }],
    attributes: { factor },
    gradient: ([dy]) => {
      const blocks = reshape(dy!, [dimProduct([N, C]), H, factor, W, factor])
      return [reshapeLike(sum(blocks, [2, 4]), x)]
    },
    lower: (emit, [name]) => [
      emit.node('Resize', [name!, '', emit.constant('float32', [4], [1, 1, factor, factor])], {
        mode: 'nearest',
        coordinate_transformation_mode: 'asymmetric',
        nearest_mode: 'floor',
      }),
    ],
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      const shape = value!.shape.map((extent, axis) => (axis < 2 ? extent : extent * factor))
      return [
        tabulate(shape, ([n, c, h, w]) => {
          const source = [n!, c!, Math.floor(h! / factor), Math.floor(w! / factor)]
          return value!.data[flatIndex(strides, source)]!
        }),
      ]
    },
  })
}
