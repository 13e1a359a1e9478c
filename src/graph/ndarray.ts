import { sizeOf } from '../base/tensor.ts'

/** A float64 array with a shape, row-major: the interpreter's value for every dtype (bool is 0 or 1). */
export interface NdArray {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export function zeros(shape: readonly number[]): NdArray {
  return { shape, data: new Float64Array(sizeOf(shape)) }
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** Builds an array from a function of the index. `index` is reused between calls. */
export function tabulate(shape: readonly number[], value: (index: readonly number[]) => number): NdArray {
  const result = zeros(shape)
  const index = new Array<number>(shape.length).fill(0)
  for (let flat = 0; flat < result.data.length; flat++) {
    result.data[flat] = value(index)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++
      if (index[axis]! < shape[axis]!) break
      index[axis] = 0
    }
  }
  return result
}

/** Position of an index in the data. */
export function flatIndex(strides: readonly number[], index: readonly number[]): number {
  let flat = 0
  for (let axis = 0; axis < strides.length; axis++) flat += strides[axis]! * index[axis]!
  return flat
}

/** The shape of two arrays combined element by element (NumPy's rule, extents of 1 stretch). */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1
    const right = b[axis - rank + b.length] ?? 1
    return left === 1 ? right : left
  })
}

/** Reads an array as if it were stretched to `shape`. */
export function stretchedReader(
  array: NdArray,
  shape: readonly number[],
): (index: readonly number[]) => number {
  const own = stridesOf(array.shape)
  const offset = shape.length - array.shape.length
  const strides = shape.map((_, axis) => {
    const mine = axis - offset
    return mine < 0 || array.shape[mine] === 1 ? 0 : own[mine]!
  })
  return index => array.data[flatIndex(strides, index)]!
}

export function mapNd(array: NdArray, f: (x: number) => number): NdArray {
  return { shape: array.shape, data: array.data.map(f) }
}

/** Combines two arrays element by element under broadcasting. */
export function zipNd(a: NdArray, b: NdArray, f: (x: number, y: number) => number): NdArray {
  const shape = broadcastShape(a.shape, b.shape)
  const readA = stretchedReader(a, shape)
  const readB = stretchedReader(b, shape)
  return tabulate(shape, index => f(readA(index), readB(index)))
}
