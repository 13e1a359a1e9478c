import { dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, stridesOf, tabulate } from '../ndarray.ts'
import { matmul } from './matmul.ts'
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

/**
 * Resizes x [N, C, H, W] to [N, C, height, width] by linear interpolation along both axes, as torch does with
 * align_corners=False and antialias=False: the result's pixel i lies at (i + ½)·H/height − ½ of x, and beyond the outermost pixels'
 * centres their value goes on.
 *
 * Each row of the result is a weighted mean of two rows of x, so y = A·x·Bᵀ with matrices A [height, H] and B [width, W] of those
 * weights, and dx = Aᵀ·dy·B.
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] with known H and W, and the extents are whole numbers from 1
 */
export function resizeBilinear(x: Tensor, [height, width]: readonly [number, number]): Tensor {
  const [N, C, H, W] = [x.shape[0]!, x.shape[1]!, x.shape[2], x.shape[3]]
  const isExtent = (value: number): boolean => Number.isInteger(value) && value >= 1
  if (x.rank !== 4 || typeof H !== 'number' || typeof W !== 'number' || !isExtent(height) || !isExtent(width))
    return shapeError(
      'resizeBilinear',
      `x [N, C, H, W] of known extents and whole ones (got ${height}, ${width})`,
      [x],
    )
  const [rows, columns] = [interpolation(H, height), interpolation(W, width)]
  return apply({
    name: 'resizeBilinear',
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: [N, C, height, width] }],
    attributes: { height, width },
    gradient: ([dy]) => {
      const { graph } = x
      const turned = graph.constant('float32', [H, height], transposed(rows).flat())
      return [matmul(matmul(turned, dy!), graph.constant('float32', [width, W], columns.flat()))]
    },
    lower: (emit, [name]) => {
      if (typeof N === 'number')
        return [
          emit.node('Resize', [name!, '', '', emit.ints(height, width)], {
            mode: 'linear',
            coordinate_transformation_mode: 'half_pixel',
            axes: [2, 3],
          }),
        ]
      // The engine refuses to resize no image, which an expert may get.
      const across = emit.constant('float32', [W, width], transposed(columns).flat())
      const down = emit.constant('float32', [height, H], rows.flat())
      return [emit.node('MatMul', [down, emit.node('MatMul', [name!, across])])]
    },
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      return [
        tabulate([value!.shape[0]!, value!.shape[1]!, height, width], ([n, c, i, j]) => {
          let total = 0
          for (let h = 0; h < H; h++) {
            const down = rows[i!]![h]!
            if (down === 0) continue
            for (let w = 0; w < W; w++)
              total += down * columns[j!]![w]! * value!.data[flatIndex(strides, [n!, c!, h, w])]!
          }
          return total
        }),
      ]
    },
  })
}

/** Weights [to, from] of linear interpolation between the centres of pixels. */
function interpolation(from: number, to: number): number[][] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1)
    const first = Math.min(Math.floor(at), from - 1)
    const weights = new Array<number>(from).fill(0)
    weights[first]! += 1 - (at - first)
    if (first + 1 < from) weights[first + 1]! += at - first
    return weights
  })
}

function transposed(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, column) => matrix.map(row => row[column]!))
}
