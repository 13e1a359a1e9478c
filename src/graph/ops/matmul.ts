import { type Dim, dimProduct } from '../dims.ts'
import { apply, shapeError, type Tensor } from '../graph.ts'
import { type NdArray, stretchedReader, tabulate } from '../ndarray.ts'
import { sumTo } from './broadcast.ts'
import { add } from './elementwise.ts'
import { zeroWhenEmpty } from './empty.ts'
import { reshape, transpose } from './shape.ts'

/**
 * Matrix products. For Z = A·B with A [M, P] and B [P, Q], the gradients are dA = dZ·Bᵀ and dB = Aᵀ·dZ; a
 * transposed factor swaps the order: for Z = A·Bᵀ, dA = dZ·B and dB = dZᵀ·A.
 */

export interface GemmOptions {
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

/**
 * A·B of two matrices, either one transposed on the fly.
 *
 * @throws MoietyError (usage) unless both are matrices with equal inner extents
 */
export function gemm(a: Tensor, b: Tensor, options: GemmOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options
  const [rows, innerA] = transposeA ? [a.shape[1], a.shape[0]] : [a.shape[0], a.shape[1]]
  const [innerB, columns] = transposeB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]]
  if (a.rank !== 2 || b.rank !== 2 || innerA !== innerB) {
    return shapeError('gemm', 'two matrices with equal inner extents', [a, b])
  }
  return apply({
    name: 'gemm',
    inputs: [a, b],
    outputs: [{ dtype: 'float32', shape: [rows!, columns!] }],
    attributes: { transposeA, transposeB },
    gradient: ([dz]) => [
      transposeA
        ? gemm(b, dz!, { transposeA: transposeB, transposeB: true })
        : gemm(dz!, b, { transposeB: !transposeB }),
      transposeB
        ? gemm(dz!, a, { transposeA: true, transposeB: transposeA })
        : gemm(a, dz!, { transposeA: !transposeA }),
    ],
    lower: (emit, names) => [emit.node('Gemm', names, { transA: +transposeA, transB: +transposeB })],
    evaluate: ([left, right]) => {
      const inner = left!.shape[transposeA ? 0 : 1]!
      const shape = [left!.shape[transposeA ? 1 : 0]!, right!.shape[transposeB ? 0 : 1]!]
      const at = (m: NdArray, i: number, j: number): number => m.data[i * m.shape[1]! + j]!
      return [
        tabulate(shape, ([i, j]) => {
          let total = 0
          for (let p = 0; p < inner; p++) {
            const x = transposeA ? at(left!, p, i!) : at(left!, i!, p)
            total += x * (transposeB ? at(right!, j!, p) : at(right!, p, j!))
          }
          return total
        }),
      ]
    },
  })
}

/**
 * Products of stacks of matrices: [..., M, P] · [..., P, Q]; leading axes broadcast.
 *
 * @throws MoietyError (usage) unless inner extents are equal and leading axes broadcast
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank < 2 || b.rank < 2 || a.dim(-1) !== b.dim(-2)) {
    return shapeError('matmul', 'stacks of matrices with equal inner extents', [a, b])
  }
  const rank = Math.max(a.rank, b.rank)
  const lead = Array.from({ length: rank - 2 }, (_, axis): Dim => {
    const left = a.shape[axis - rank + a.rank] ?? 1
    const right = b.shape[axis - rank + b.rank] ?? 1
    if (left !== right && left !== 1 && right !== 1)
      return shapeError('matmul', 'leading axes that broadcast', [a, b])
    return left === 1 ? right : left
  })
  return apply({
    name: 'matmul',
    inputs: [a, b],
    outputs: [{ dtype: 'float32', shape: [...lead, a.dim(-2), b.dim(-1)] }],
    gradient: ([dz]) => [sumTo(matmul(dz!, swapLastAxes(b)), a), sumTo(matmul(swapLastAxes(a), dz!), b)],
    lower: (emit, names) => {
      const product = emit.node('MatMul', names)
      return [typeof a.dim(-1) === 'number' ? product : zeroWhenEmpty(emit, product, names[0]!)]
    },
    evaluate: ([left, right]) => {
      const shape = [
        ...lead.map((_, axis) => {
          const x = left!.shape[axis - rank + left!.shape.length] ?? 1
          return x === 1 ? (right!.shape[axis - rank + right!.shape.length] ?? 1) : x
        }),
        left!.shape.at(-2)!,
        right!.shape.at(-1)!,
      ]
      const inner = left!.shape.at(-1)!
      const readLeft = stretchedReader(left!, [...shape.slice(0, -1), inner])
      const readRight = stretchedReader(right!, [...shape.slice(0, -2), inner, shape.at(-1)!])
      return [
        tabulate(shape, index => {
          const stack = index.slice(0, -2)
          let total = 0
          for (let p = 0; p < inner; p++) {
            total += readLeft([...stack, index.at(-2)!, p]) * readRight([...stack, p, index.at(-1)!])
          }
          return total
        }),
      ]
    },
  })
}

function swapLastAxes(x: Tensor): Tensor {
  const order = x.shape.map((_, axis) => axis)
  return transpose(x, [...order.slice(0, -2), x.rank - 1, x.rank - 2])
}

/** x·Wᵀ + b for x [N, inputs], W [outputs, inputs] as torch stores it, b [outputs]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = gemm(x, weight, { transposeB: true })
  return bias === undefined ? product : add(product, bias)
}

/** Flattens every axis but the first: [N, ...] → [N, size]. */
export function flatten(x: Tensor): Tensor {
  return reshape(x, [x.dim(0), dimProduct(x.shape.slice(1))])
}
