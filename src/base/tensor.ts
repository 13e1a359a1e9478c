/** Element types that reach the engine or a file. `bool` is stored as one byte, 0 or 1. */
export type DType = 'float32' | 'int64' | 'bool' | 'uint8'

/** Values of float32, of int64, and of bool or uint8. */
export type TensorData = Float32Array | BigInt64Array | Uint8Array

/** A tensor with its values on the host, row-major and contiguous. */
export interface HostTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TensorData
}

/**
 * Everything that training changes, by name: parameters, BatchNorm statistics, constraint counters,
 * optimizer moments and the step number. A checkpoint is this map, saved.
 */
export type State = ReadonlyMap<string, HostTensor>

/** How many elements a tensor of this shape has; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** A float32 tensor; `data` must have as many values as the shape says. */
export function floats(shape: readonly number[], data: ArrayLike<number>): HostTensor {
  return { dtype: 'float32', shape, data: Float32Array.from(data) }
}

/** A float32 scalar. */
export function scalar(value: number): HostTensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(value) }
}
