import { sizeOf } from '../../base/tensor.ts'
import { type Shape, sameShape, showShape } from '../dims.ts'
import { apply, applyAll, type Graph, shapeError, type Tensor } from '../graph.ts'
import { zeros } from '../ndarray.ts'
import { add, cast, equal } from './elementwise.ts'
import { reshape, sizeOfAxes } from './shape.ts'

/**
 * Selecting and scattering. Gather and scatter-add are each other's gradients: what was read from row i gets
 * its gradient added to row i. Which rows were chosen is not differentiable, only what was read from them.
 */

/**
 * The k largest values of the last axis, in descending order, and their indices (int64). At a tie the smaller
 * index comes first. The gradient reaches exactly the chosen values.
 *
 * @throws MoietyError (usage) unless x is float32 and 1 ≤ k ≤ its last extent
 */
export function topK(x: Tensor, k: number): { readonly values: Tensor; readonly indices: Tensor } {
  const extent = x.dim(-1)
  if (x.dtype !== 'float32' || !Number.isInteger(k) || k < 1 || (typeof extent === 'number' && k > extent)) {
    return shapeError('topK', `1 ≤ k ≤ the last extent (k = ${k})`, [x])
  }
  const shape: Shape = [...x.shape.slice(0, -1), k]
  const [values, indices] = applyAll({
    name: 'topK',
    inputs: [x],
    outputs: [
      { dtype: 'float32', shape },
      { dtype: 'int64', shape },
    ],
    attributes: { k },
    gradient: ([dValues], outputs) => [dValues && scatterLastAxis(outputs[1]!, dValues, x)],
    lower: (emit, [name]) => {
      const top = (from: string): string[] =>
        emit.nodes('TopK', [from, emit.ints(k)], { axis: -1, largest: 1, sorted: 1 }, 2)
      const [rows, ...rest] = x.shape
      const known = rest.filter(dim => typeof dim === 'number')
      if (rest.length === 0 || known.length < rest.length || (typeof rows === 'number' && rows > 0))
        return top(name!)
      // The engine's TopK of no row aborts the process, so a row of zeros is added and removed again.
      // For the logits of 128 images and ten experts that takes about 3 µs more.
      const row = emit.constant('float32', [1, ...known], new Array<number>(sizeOf(known)).fill(0))
      const results = top(emit.node('Concat', [name!, row], { axis: 0 }))
      return results.map(result => emit.node('Slice', [result, emit.ints(0), emit.ints(-1), emit.ints(0)]))
    },
    evaluate: ([value]) => {
      const length = value!.shape.at(-1)!
      const rows = value!.data.length / length
      const result = [
        zeros([...value!.shape.slice(0, -1), k]),
        zeros([...value!.shape.slice(0, -1), k]),
      ] as const
      for (let row = 0; row < rows; row++) {
        const logits = value!.data.subarray(row * length, (row + 1) * length)
        const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b)
        for (let place = 0; place < k; place++) {
          result[0].data[row * k + place] = logits[order[place]!]!
          result[1].data[row * k + place] = order[place]!
        }
      }
      return [...result]
    },
    choice: {
      output: 1,
      of: value => value,
      follow: ([value], given) => {
        const length = value!.shape.at(-1)!
        const data = given.data.map((index, i) => value!.data[Math.floor(i / k) * length + index]!)
        return [{ shape: given.shape, data }, given]
      },
      // The value at this position compared with that at the given index.
      margin: ([value], given, at) => {
        const length = value!.shape.at(-1)!
        const row = value!.data.subarray(Math.floor(at / k) * length, (Math.floor(at / k) + 1) * length)
        const sorted = row.toSorted((a, b) => b - a)
        return Math.abs(sorted[at % k]! - row[given.data[at]!]!)
      },
    },
  })
  return { values: values!, indices: indices! }
}

/**
 * Zeros of the shape of `like` with `values` put at `indices` along the last axis (indices of a row distinct).
 *
 * @throws MoietyError (usage) unless there are as many int64 indices as values
 */
export function scatterLastAxis(indices: Tensor, values: Tensor, like: Tensor): Tensor {
  if (!sameShape(indices.shape, values.shape) || indices.dtype !== 'int64') {
    return shapeError('scatterLastAxis', 'as many int64 indices as values', [indices, values])
  }
  return apply({
    name: 'scatterLastAxis',
    inputs: [indices, values, like],
    outputs: [{ dtype: 'float32', shape: like.shape }],
    gradient: ([dy]) => [undefined, gatherLastAxis(dy!, indices), undefined],
    lower: (emit, [at, from, other]) => {
      const known = like.shape.filter(dim => typeof dim === 'number')
      const isKnown = known.length === like.rank
      const extents = isKnown ? emit.ints(...known) : emit.node('Shape', [other!])
      const field = emit.node('Expand', [emit.float(0), extents])
      return [emit.node('ScatterElements', [field, at!, from!], { axis: -1 })]
    },
    evaluate: ([at, from, other]) => {
      const result = zeros(other!.shape)
      const [width, length] = [at!.shape.at(-1)!, other!.shape.at(-1)!]
      for (const [i, index] of at!.data.entries()) {
        result.data[Math.floor(i / width) * length + index] = from!.data[i]!
      }
      return [result]
    },
  })
}

/**
 * For each row of the last axis, the elements at that row's indices.
 *
 * @throws MoietyError (usage) unless the indices are int64 and of the rank of x
 */
export function gatherLastAxis(x: Tensor, indices: Tensor): Tensor {
  if (indices.dtype !== 'int64' || x.rank !== indices.rank) {
    return shapeError('gatherLastAxis', 'int64 indices of the same rank', [x, indices])
  }
  return apply({
    name: 'gatherLastAxis',
    inputs: [x, indices],
    outputs: [{ dtype: x.dtype, shape: indices.shape }],
    gradient: ([dy]) => [scatterLastAxis(indices, dy!, x), undefined],
    lower: (emit, names) => [emit.node('GatherElements', names, { axis: -1 })],
    evaluate: ([value, at]) => {
      const [width, length] = [at!.shape.at(-1)!, value!.shape.at(-1)!]
      const data = at!.data.map((index, i) => value!.data[Math.floor(i / width) * length + index]!)
      return [{ shape: at!.shape, data }]
    },
  })
}

/**
 * Rows of x (first axis) at int64 `indices` [M], as `[M, ...]`; rows may repeat.
 *
 * @throws MoietyError (usage) unless the indices are an int64 vector and x has rows
 */
export function gatherRows(x: Tensor, indices: Tensor): Tensor {
  if (indices.dtype !== 'int64' || indices.rank !== 1 || x.rank === 0) {
    return shapeError('gatherRows', 'int64 indices of rank 1', [x, indices])
  }
  return apply({
    name: 'gatherRows',
    inputs: [x, indices],
    outputs: [{ dtype: x.dtype, shape: [indices.shape[0]!, ...x.shape.slice(1)] }],
    gradient: ([dy]) => [scatterAddRows(indices, dy!, x), undefined],
    lower: (emit, names) => [emit.node('Gather', names, { axis: 0 })],
    evaluate: ([value, at]) => {
      const size = sizeOf(value!.shape.slice(1))
      const result = zeros([at!.data.length, ...value!.shape.slice(1)])
      for (const [row, from] of at!.data.entries()) {
        result.data.set(value!.data.subarray(from * size, (from + 1) * size), row * size)
      }
      return [result]
    },
  })
}

/**
 * `base` with row m of `rows` added to its row `indices[m]`. The gradient of `base` is the upstream one, that of
 * `rows` is the upstream one at those rows, gathered.
 *
 * @throws MoietyError (usage) unless there is one int64 index a row and rows have the shape of those of the base
 */
export function addRows(base: Tensor, indices: Tensor, rows: Tensor): Tensor {
  const fits = indices.dtype === 'int64' && indices.rank === 1 && rows.shape[0] === indices.shape[0]
  if (!fits || !sameShape(base.shape.slice(1), rows.shape.slice(1))) {
    return shapeError('addRows', 'one int64 index a row, and rows like those of the base', [
      base,
      indices,
      rows,
    ])
  }
  return apply({
    name: 'addRows',
    inputs: [base, indices, rows],
    outputs: [base],
    gradient: ([dy]) => [dy!, undefined, gatherRows(dy!, indices)],
    lower: (emit, [field, at, from]) => {
      const places = emit.node('Unsqueeze', [at!, emit.ints(1)])
      return [emit.node('ScatterND', [field!, places, from!], { reduction: 'add' })]
    },
    evaluate: ([field, at, from]) => {
      const result = { shape: field!.shape, data: field!.data.slice() }
      const size = sizeOf(from!.shape.slice(1))
      for (const [row, to] of at!.data.entries()) {
        for (let i = 0; i < size; i++) result.data[to * size + i]! += from!.data[row * size + i]!
      }
      return [result]
    },
  })
}

/** Zeros of the shape of `like`, to whose row `indices[m]` row m of `rows` is added. */
export function scatterAddRows(indices: Tensor, rows: Tensor, like: Tensor): Tensor {
  return addRows(zeroRows(like, rows.shape.slice(1)), indices, rows)
}

/**
 * Zeros with as many rows as `like` has, each of the shape `tail`.
 *
 * @throws MoietyError (usage) when an extent of `tail` is not a number
 */
export function zeroRows(like: Tensor, tail: Shape): Tensor {
  const [count] = like.shape
  const extents = tail.filter(dim => typeof dim === 'number')
  if (count === undefined || extents.length !== tail.length) {
    return shapeError('zeroRows', `a tensor with rows, and a row of known shape (got ${showShape(tail)})`, [
      like,
    ])
  }
  const isKnown = typeof count === 'number'
  return apply({
    name: 'zeroRows',
    inputs: isKnown ? [like.graph.scalar(0)] : [like],
    outputs: [{ dtype: 'float32', shape: [count, ...tail] }],
    attributes: { count, tail },
    gradient: () => [],
    lower: (emit, [name]) => {
      if (isKnown) return [emit.node('Expand', [name!, emit.ints(count, ...extents)])]
      const rows = emit.node('Slice', [emit.node('Shape', [name!]), emit.ints(0), emit.ints(1)])
      const shape = emit.node('Concat', [rows, emit.ints(...extents)], { axis: 0 })
      return [emit.node('Expand', [emit.float(0), shape])]
    },
    evaluate: ([value]) => [zeros([isKnown ? count : value!.shape[0]!, ...extents])],
  })
}

/**
 * Accumulates a gradient. Scattered rows are added in place, which saves a tensor of
 * zeros and a pass: `before + (0 with rows added) = before with rows added`.
 */
export function accumulate(before: Tensor, gradient: Tensor): Tensor {
  const [base, indices, rows] = gradient.node.inputs
  const scattered = gradient.node.name === 'addRows' && base?.node.name === 'zeroRows'
  return scattered ? addRows(before, indices!, rows!) : add(before, gradient)
}

/**
 * Positions of the true elements of a bool vector [N], as int64 [M].
 *
 * @param count - the name of the extent M, known only when the graph runs
 * @param isWeighted - whether the results of these positions are multiplied by a weight, which is 0 elsewhere
 * @throws MoietyError (usage) for anything but a bool vector
 */
export function nonzero(mask: Tensor, count: string, isWeighted = false): Tensor {
  if (mask.dtype !== 'bool' || mask.rank !== 1) return shapeError('nonzero', 'a bool vector', [mask])
  return apply({
    name: 'nonzero',
    inputs: [mask],
    outputs: [{ dtype: 'int64', shape: [count] }],
    attributes: { count },
    lower: (emit, names) => {
      const positions = emit.node('NonZero', names)
      if (isWeighted) emit.annotate(positions, { kind: 'weightedRows' })
      return [emit.node('Squeeze', [positions, emit.ints(0)])]
    },
    evaluate: ([value]) => {
      const positions = [...value!.data.keys()].filter(i => value!.data[i] !== 0)
      return [{ shape: [positions.length], data: Float64Array.from(positions) }]
    },
  })
}

/** The integers 0 … count−1. */
export function range(graph: Graph, count: number): Tensor {
  return graph.constant(
    'int64',
    [count],
    Array.from({ length: count }, (_, i) => i),
  )
}

/** int64 [...] to float32 [..., classes]: 1 at the index, 0 elsewhere. */
export function oneHot(indices: Tensor, classes: number): Tensor {
  const wide = reshape(indices, [...indices.shape, 1])
  return cast(equal(wide, range(indices.graph, classes)), 'float32')
}

/** How many rows a tensor has, as a float32 scalar. */
export function rowCount(x: Tensor): Tensor {
  return sizeOfAxes(x, [0])
}
