import { sizeOf } from '../../base/tensor.ts'
import { type Dim, dimSum } from '../dims.ts'
import { apply, applyAll, shapeError, type Tensor } from '../graph.ts'
import { flatIndex, stridesOf, tabulate } from '../ndarray.ts'
import { zerosLike } from './broadcast.ts'
import { reshape } from './shape.ts'

/**
 * Elements `start … end−1` of one axis, every `step`-th. The extent of that axis must be known.
 * Its gradient is the upstream gradient, padded with zeros.
 *
 * @throws MoietyError (usage) unless 0 ≤ start ≤ end ≤ the extent of the axis, which must be known
 */
export function slice(x: Tensor, axis: number, start: number, end: number, step = 1): Tensor {
  const extent = x.dim(axis)
  if (typeof extent !== 'number' || start < 0 || end > extent || start > end || step < 1) {
    return shapeError(
      'slice',
      `0 ≤ start ≤ end ≤ a known extent of axis ${axis} (got ${start}:${end}:${step})`,
      [x],
    )
  }
  if (start === 0 && end === extent && step === 1) return x
  const count = Math.ceil((end - start) / step)
  return apply({
    name: 'slice',
    inputs: [x],
    outputs: [{ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? count : dim)) }],
    attributes: { axis, start, end, step },
    gradient: ([dy]) => [unslice(dy!, axis, extent, start, step)],
    lower: (emit, [name]) => [
      emit.node('Slice', [name!, emit.ints(start), emit.ints(end), emit.ints(axis), emit.ints(step)]),
    ],
    evaluate: ([value]) => {
      const shape = value!.shape.map((length, i) => (i === axis ? count : length))
      const strides = stridesOf(value!.shape)
      const offset = strides[axis]! * start
      const own = strides.map((stride, i) => (i === axis ? stride * step : stride))
      return [tabulate(shape, index => value!.data[offset + flatIndex(own, index)]!)]
    },
  })
}

/** Pads a slice with zeros: spread by `step`, then padded to `extent`. */
function unslice(dy: Tensor, axis: number, extent: number, start: number, step: number): Tensor {
  const spreadOut = step === 1 ? dy : spread(dy, axis, step)
  const length = spreadOut.dim(axis)
  const before = dy.shape.map((_, i) => (i === axis ? start : 0))
  const after = dy.shape.map((_, i) => (i === axis ? extent - start - Number(length) : 0))
  return pad(spreadOut, before, after)
}

/**
 * Inserts step − 1 zeros between neighbours along an axis: extent n becomes (n − 1)·step + 1.
 *
 * @throws MoietyError (usage) when the extent of the axis is not known
 */
export function spread(x: Tensor, axis: number, step: number): Tensor {
  const count = x.dim(axis)
  if (typeof count !== 'number') return shapeError('spread', `a known extent of axis ${axis}`, [x])
  const split = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]
  const before = split.map(() => 0)
  const padded = pad(
    reshape(x, split),
    before,
    split.map((_, i) => (i === axis + 1 ? step - 1 : 0)),
  )
  const merged = reshape(padded, [...x.shape.slice(0, axis), count * step, ...x.shape.slice(axis + 1)])
  return slice(merged, axis, 0, (count - 1) * step + 1)
}

/**
 * Tensors one after another along an axis.
 *
 * @throws MoietyError (usage) when dtypes, ranks or other extents differ
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const [first] = tensors
  if (first === undefined) return shapeError('concat', 'at least one tensor', tensors)
  if (tensors.length === 1) return first
  const extents = tensors.map(tensor => tensor.dim(axis))
  const fits = (tensor: Tensor): boolean =>
    tensor.dtype === first.dtype &&
    tensor.rank === first.rank &&
    tensor.shape.every((dim, i) => i === axis || dim === first.shape[i])
  if (!tensors.every(fits)) return shapeError('concat', `shapes equal but for axis ${axis}`, tensors)
  return apply({
    name: 'concat',
    inputs: tensors,
    outputs: [
      { dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? dimSum(extents) : dim)) },
    ],
    attributes: { axis },
    gradient: ([dy]) => {
      let start = 0
      return tensors.map(tensor => {
        const extent = tensor.dim(axis)
        if (typeof extent !== 'number') return shapeError('the gradient of concat', 'known extents', tensors)
        start += extent
        return slice(dy!, axis, start - extent, start)
      })
    },
    lower: (emit, names) => [emit.node('Concat', names, { axis })],
    evaluate: values => {
      const shape = values[0]!.shape.map((extent, i) =>
        i === axis ? values.reduce((total, value) => total + value.shape[axis]!, 0) : extent,
      )
      const result = new Float64Array(sizeOf(shape))
      const inner = sizeOf(shape.slice(axis + 1))
      const rows = sizeOf(shape.slice(0, axis))
      let to = 0
      for (let row = 0; row < rows; row++) {
        for (const value of values) {
          const length = value.shape[axis]! * inner
          result.set(value.data.subarray(row * length, (row + 1) * length), to)
          to += length
        }
      }
      return [{ shape, data: result }]
    },
  })
}

/**
 * An axis split into pieces of the given extents: the inverse of `concat`.
 *
 * @throws MoietyError (usage) unless the extents add up to that of the axis, which must be known
 */
export function split(x: Tensor, axis: number, extents: readonly number[]): readonly Tensor[] {
  if (extents.length === 0 || extents.some(extent => extent < 0) || summed(extents) !== x.dim(axis)) {
    return shapeError('split', `extents that add up to axis ${axis} (got ${extents.join(' + ')})`, [x])
  }
  if (extents.length === 1) return [x]
  if (extents.length <= mostPieces) return splitAtOnce(x, axis, extents)
  // First into groups of pieces.
  const size = mostPieces ** Math.ceil(Math.log(extents.length) / Math.log(mostPieces) - 1e-9 - 1)
  const groups = Array.from({ length: Math.ceil(extents.length / size) }, (_, i) =>
    extents.slice(i * size, (i + 1) * size),
  )
  return splitAtOnce(x, axis, groups.map(summed)).flatMap((group, i) => split(group, axis, groups[i]!))
}

/** WebGPU binds a buffer for each piece, and a shader has eight. */
const mostPieces = 7

function summed(extents: readonly number[]): number {
  return extents.reduce((sum, extent) => sum + extent, 0)
}

function splitAtOnce(x: Tensor, axis: number, extents: readonly number[]): readonly Tensor[] {
  const shapes = extents.map(extent => x.shape.map((dim, i) => (i === axis ? extent : dim)))
  return applyAll({
    name: 'split',
    inputs: [x],
    outputs: shapes.map(shape => ({ dtype: x.dtype, shape })),
    attributes: { axis, extents },
    gradient: (upstream, outputs) => [
      concat(
        outputs.map((output, i) => upstream[i] ?? zerosLike(output)),
        axis,
      ),
    ],
    lower: (emit, [name]) => emit.nodes('Split', [name!, emit.ints(...extents)], { axis }, extents.length),
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      return extents.map((extent, piece) => {
        const shape = value!.shape.map((length, i) => (i === axis ? extent : length))
        const offset = strides[axis]! * summed(extents.slice(0, piece))
        return tabulate(shape, index => value!.data[offset + flatIndex(strides, index)]!)
      })
    },
  })
}

/**
 * Zeros before and after each axis; a negative amount crops instead.
 *
 * @throws MoietyError (usage) unless there is an amount before and after every axis
 */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  if (before.length !== x.rank || after.length !== x.rank) {
    return shapeError('pad', 'an amount before and after every axis', [x])
  }
  if ([...before, ...after].every(amount => amount === 0)) return x
  const shape = x.shape.map((dim, axis): Dim => {
    const added = before[axis]! + after[axis]!
    return typeof dim === 'number' || added !== 0 ? dimSum([dim, added]) : dim
  })
  const negate = (amounts: readonly number[]): number[] => amounts.map(amount => (amount === 0 ? 0 : -amount))
  return apply({
    name: 'pad',
    inputs: [x],
    outputs: [{ dtype: x.dtype, shape }],
    attributes: { before, after },
    gradient: ([dy]) => [pad(dy!, negate(before), negate(after))],
    lower: (emit, [name]) => [emit.node('Pad', [name!, emit.ints(...before, ...after)])],
    evaluate: ([value]) => {
      const strides = stridesOf(value!.shape)
      const target = value!.shape.map((extent, axis) => extent + before[axis]! + after[axis]!)
      return [
        tabulate(target, index => {
          const source = index.map((position, axis) => position - before[axis]!)
          const inside = source.every((position, axis) => position >= 0 && position < value!.shape[axis]!)
          return inside ? value!.data[flatIndex(strides, source)]! : 0
        }),
      ]
    },
  })
}
