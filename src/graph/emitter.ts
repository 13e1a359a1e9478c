import type { GraphDType } from './dtype.ts'
import type { NodeSemantics } from './node-semantics.ts'
import type { OnnxAttribute } from './onnx.ts'

/** Attributes of an ONNX node, by name. */
export type Attributes = Readonly<Record<string, OnnxAttribute>>

/** The target of an op's lowering: ONNX nodes of the default domain, and constants. */
export interface Emitter {
  /** Adds a node with one output and returns its name. The input '' is omitted. */
  node(op: string, inputs: readonly string[], attributes?: Attributes): string
  /** Records the semantics of the node that computes `output`, the last one added. */
  annotate(output: string, semantics: NodeSemantics): void
  /** Adds a node with `count` outputs and returns their names. */
  nodes(op: string, inputs: readonly string[], attributes: Attributes, count: number): string[]
  /** A constant, shared with every other use of the same values. */
  constant(dtype: GraphDType, shape: readonly number[], values: readonly number[]): string
  /**
   * A float32 constant with its own name.
   *
   * @throws MoietyError (usage) when another one in this file has that name
   */
  stored(name: string, shape: readonly number[], data: Float32Array | Float64Array): string
  /** A one-dimensional int64 constant. */
  ints(...values: number[]): string
  /** A float32 scalar constant. */
  float(value: number): string
  /** A unique number from 1: keeps separate what the engine would merge. */
  serial(): number
}
