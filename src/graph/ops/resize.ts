import { dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, stridesOf, tabulate } from '../ndarray.ts'
import { sum } from './broadcast.ts'
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
 * centres their value continues.
 *
 * Each row of the result is a weighted mean of two rows of x, so y = A·x·Bᵀ with matrices A [height, H] and B [width, W] of those
 * weights, and dx = Aᵀ·dy·B.
 *
 * @throws MoietyError (usage) unless x is [N, C, H, W] with known H and W, and the extents are whole numbers from 1
 */
export function resizeBilinear(x: Tensor, [height, width]: readonly [number, number]): Tensor {
  const [H, W] = [x.shape[2], x.shape[3]]
  const isExtent = (value: number): boolean => Number.isInteger(value) && value >= 1
  if (x.rank !== 4 || typeof H !== 'number' || typeof W !== 'number' || !isExtent(height) || !isExtent(width))
    return shapeError(
      'resizeBilinear',
      `x [N, C, H, W] of known extents and whole ones (got ${height}, ${width})`,
      [x],
    )
  return weightedMeans('resizeBilinear', x, interpolation(H, height), interpolation(W, width))
}

/**
 * A·x·Bᵀ of each channel of x [N, C, H, W], with matrices A [H', H] and B [W', W] of numbers; dx = Aᵀ·dy·B is of the same kind.
 */
function weightedMeans(name: string, x: Tensor, down: Matrix, across: Matrix): Tensor {
  const [N, C] = [x.shape[0]!, x.shape[1]!]
  const [H, W] = [down[0]!.length, across[0]!.length]
  const [height, width] = [down.length, across.length]
  return apply({
    name,
    inputs: [x],
    outputs: [{ dtype: 'float32', shape: [N, C, height, width] }],
    attributes: { height, width },
    gradient: ([dy]) => [weightedMeans(`${name}Gradient`, dy!, transposed(down), transposed(across))],
    lower: (emit, [source]) => {
      const product = (images: string): string => {
        const wide = emit.node('MatMul', [
          images,
          emit.constant('float32', [W, width], transposed(across).flat()),
        ])
        return emit.node('MatMul', [emit.constant('float32', [height, H], down.flat()), wide])
      }
      if (typeof N === 'number' || typeof C !== 'number') return [product(source!)]
      // The engine cannot multiply an empty stack of matrices, so an image of zeros is added and removed again.
      const image = emit.constant('float32', [1, C, H, W], new Array<number>(C * H * W).fill(0))
      const all = product(emit.node('Concat', [source!, image], { axis: 0 }))
      return [emit.node('Slice', [all, emit.ints(0), emit.ints(-1), emit.ints(0)])]
    },
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      return [
        tabulate([value!.shape[0]!, value!.shape[1]!, height, width], ([n, c, i, j]) => {
          let total = 0
          for (let h = 0; h < H; h++) {
            const weight = down[i!]![h]!
            if (weight === 0) continue
            for (let w = 0; w < W; w++)
              total += weight * across[j!]![w]! * value!.data[flatIndex(strides, [n!, c!, h, w])]!
          }
          return total
        }),
      ]
    },
  })
}

type Matrix = readonly (readonly number[])[]

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

function transposed(matrix: Matrix): number[][] {
  return matrix[0]!.map((_, column) => matrix.map(row => row[column]!))
}
