import type { DType } from '../base/tensor.ts'
import type { OnnxModel } from './onnx.ts'

/**
 * The values that an input takes, where others of its element type would be computed with and mean nothing: a class that
 * does not exist trains silently, or ends in an engine's message about an index. NaN is never among them.
 */
export interface TakenValues {
  /** The smallest and the largest, of int64 within 32 bits; infinite where any finite number will do on that side. */
  readonly least: number
  readonly most: number
  /** What an error says was expected, such as `class labels from 0 to 9`. */
  readonly expected: string
  /** What an error says is to be done. */
  readonly help: string
}

/** What goes into or comes out of a program; a string is an extent known only when it runs. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
  /** Of an input: checked whenever it is fed; every value of its type when not given. */
  readonly takes?: TakenValues
}

/** A graph written down for the engine: an ONNX model and what it takes and gives. */
export interface Program {
  readonly model: Uint8Array
  /** @internal What `model` was encoded from, where that is known: the engine may rewrite it for its processor. */
  readonly graph?: OnnxModel
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}
