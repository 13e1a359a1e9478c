import type { DType } from '../base/tensor.ts'
import type { OnnxModel } from './onnx.ts'

/** What goes into or comes out of a program; a string is an extent known only when it runs. */
export interface TensorSpec {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
}

/** A graph written down for the engine: an ONNX model and what it takes and gives. */
export interface Program {
  readonly model: Uint8Array
  /** @internal What `model` was encoded from, where that is known: the engine may rewrite it for its processor. */
  readonly graph?: OnnxModel
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}
