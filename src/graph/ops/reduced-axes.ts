import type { Dim } from '../dims.ts'
import { shapeError, type Tensor } from '../graph.ts'
import { flatIndex, type NdArray, stridesOf, tabulate, zeros } from '../ndarray.ts'
import { reshape } from './shape.ts'

/** Treatment of the reduced axes. */
export interface ReduceOptions {
  /** Keep the reduced axes with extent 1. */
  readonly keepDims?: boolean
}

/** Axes without repetition, counted from the front; default: all. */
export function normaliseAxes(op: string, x: Tensor, axes: readonly number[] | undefined): number[] {
  const all = (axes ?? x.shape.map((_, axis) => axis)).map(axis => (axis < 0 ? axis + x.rank : axis))
  if (
    all.some(axis => axis < 0 || axis >= x.rank || !Number.isInteger(axis)) ||
    new Set(all).size !== all.length
  ) {
    return shapeError(op, `distinct axes of the tensor (got ${axes?.join(', ')})`, [x])
  }
  return all.sort((a, b) => a - b)
}

export function reducedShape(x: Tensor, axes: readonly number[], keepDims: boolean): Dim[] {
  const kept = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
  return keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis))
}

/** Folds the values along `axes`, in order, starting from `start`. */
export function fold(
  array: NdArray,
  axes: readonly number[],
  keepDims: boolean,
  start: number,
  step: (a: number, b: number) => number,
): NdArray {
  const kept = array.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent))
  const result = zeros(kept)
  result.data.fill(start)
  const strides = stridesOf(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride))
  tabulate(array.shape, index => {
    const to = flatIndex(strides, index)
    result.data[to] = step(result.data[to]!, array.data[flatIndex(stridesOf(array.shape), index)]!)
    return 0
  })
  return { shape: keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis)), data: result.data }
}

/** Inserts the reduced axes again (extent 1), so that a reduced value broadcasts against the original. */
export function withReducedAxes(reduced: Tensor, x: Tensor, axes: readonly number[]): Tensor {
  return reshape(reduced, reducedShape(x, axes, true))
}
