import type { DType } from '../base/tensor.ts'
import type { OnnxModel } from './onnx.ts'

/**
 * The valid values of an input, where others of its element type would be accepted but are meaningless: a class that
 * does not exist trains silently, or causes an engine error about an index. NaN is never valid.
 */
export interface TakenValues {
  /** The smallest and the largest, of int64 within 32 bits; infinite where that side is unbounded. */
  readonly least: number
  readonly most: number
  /** What an error names as expected, such as `class labels from 0 to 9`. */
  readonly expected: string
  /** What an error names as the remedy. */
  readonly help: string
}

/** An input or output of a program; a string is an extent known only when it runs. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
  /** For inputs: checked whenever fed. Default: every value of its type. */
  readonly takes?: TakenValues
}

/** A graph lowered for the engine: an ONNX model with its inputs and outputs. */
export interface Program {
  readonly model: Uint8Array
  /** @internal The source of the encoded `model`, if known: the engine may rewrite it for its processor. */
  readonly graph?: OnnxModel
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}
