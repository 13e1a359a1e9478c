/** Conversion of the values of each safetensors dtype to a tensor's data. */
import type { DType, TensorData } from '../base/tensor.ts'

/** How the values of one dtype of the format are read from their bytes, which begin anywhere. */
export interface Reading {
  /** Bytes of one value in the file. */
  readonly bytes: number
  readonly dtype: DType
  /** @param refuse - called with what is wrong with the value at an index */
  readonly read: (bytes: Uint8Array, refuse: (index: number, problem: string) => never) => TensorData
}

/** The dtypes of the format that are read, by their names there. */
export const readings: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ['F32', { bytes: 4, dtype: 'float32', read: bytes => new Float32Array(aligned(bytes)) }],
  ['I64', { bytes: 8, dtype: 'int64', read: bytes => new BigInt64Array(aligned(bytes)) }],
  ['U8', { bytes: 1, dtype: 'uint8', read: bytes => new Uint8Array(aligned(bytes)) }],
  [
    'BOOL',
    {
      bytes: 1,
      dtype: 'bool',
      read: (bytes, refuse) => {
        const wrong = bytes.findIndex(value => value > 1)
        return wrong < 0
          ? new Uint8Array(aligned(bytes))
          : refuse(wrong, `is ${bytes[wrong]}, a bool must be 0 or 1`)
      },
    },
  ],
  [
    'F64',
    {
      bytes: 8,
      dtype: 'float32',
      read: (bytes, refuse) => {
        const view = viewOf(bytes)
        const values = new Float32Array(bytes.length / 8)
        for (let i = 0; i < values.length; i++) {
          const value = view.getFloat64(i * 8, true)
          values[i] = value
          if (Number.isFinite(value) && !Number.isFinite(values[i])) {
            refuse(i, `is ${value}, which does not fit in float32`)
          }
        }
        return values
      },
    },
  ],
  ['F16', { bytes: 2, dtype: 'float32', read: bytes => halves(bytes) }],
  ['BF16', { bytes: 2, dtype: 'float32', read: bytes => brainHalves(bytes) }],
  [
    'I32',
    {
      bytes: 4,
      dtype: 'int64',
      read: bytes => {
        const view = viewOf(bytes)
        return BigInt64Array.from({ length: bytes.length / 4 }, (_, i) => BigInt(view.getInt32(i * 4, true)))
      },
    },
  ],
])

/**
 * A copy at offset 0 of its own buffer, as typed arrays of wider elements require. Not by `slice`, which
 * does not copy a Node Buffer.
 */
function aligned(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy.buffer
}

/** The bytes as a view that reads numbers at any offset. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** IEEE 754 binary16: sign 1, exponent 5 (bias 15), fraction 10 bits. Every value is a float32. */
function halves(bytes: Uint8Array): Float32Array {
  const view = viewOf(bytes)
  const values = new Float32Array(bytes.length / 2)
  for (let i = 0; i < values.length; i++) {
    const word = view.getUint16(i * 2, true)
    const sign = word & 0x8000 ? -1 : 1
    const exponent = (word >> 10) & 31
    const fraction = word & 1023
    if (exponent === 31) values[i] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
    else if (exponent === 0) values[i] = sign * fraction * 2 ** -24
    else values[i] = sign * (1024 + fraction) * 2 ** (exponent - 25)
  }
  return values
}

/** bfloat16 is the upper half of a float32. */
function brainHalves(bytes: Uint8Array): Float32Array {
  const view = viewOf(bytes)
  const words = new Uint32Array(bytes.length / 2)
  for (let i = 0; i < words.length; i++) words[i] = view.getUint16(i * 2, true) << 16
  return new Float32Array(words.buffer)
}
