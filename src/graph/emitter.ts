import type { GraphDType } from './dtype.ts'
import type { NodeSemantics } from './node-semantics.ts'
import type { OnnxAttribute } from './onnx.ts'

/** Attributes of an ONNX node, by name. */
export type Attributes = Readonly<Record<string, OnnxAttribute>>

/** What an op's lowering writes to: ONNX nodes of the default domain, and constants. */
export interface Emitter {
  /** Adds a node with one output and returns its name. An input of '' is an omitted one. */
  node(op: string, inputs: readonly string[], attributes?: Attributes): string
  /** Says what the node that gives `output`, the last one added, computes. */
  annotate(output: string, semantics: NodeSemantics): void
  /** Adds a node with `count` outputs and returns their names. */
  nodes(op: string, inputs: readonly string[], attributes: Attributes, count: number): string[]
  /** A constant, shared with every other use of the same values. */
  constant(dtype: GraphDType, shape: readonly number[], values: readonly number[]): string
  /**
   * A float32 constant under a name of its own.
   *
   * @throws MoietyError (usage) when another one of this file has that name
   */
  stored(name: string, shape: readonly number[], data: Float32Array | Float64Array): string
  /** A one-dimensional int64 constant. */
  ints(...values: number[]): string
  /** A float32 scalar constant. */
  float(value: number): string
  /** A number that no other call gets, from 1: keeps apart what the engine would merge. */
  serial(): number
}
