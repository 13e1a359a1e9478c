/**
 * Symbolic tensors, ops with their gradients, reverse mode, the ONNX writer and the float64 interpreter.
 *
 * @module
 */

export type { Dim, Shape } from './dims.ts'
export {
  type ChangedChoice,
  choicesOf,
  type FollowedChoices,
  interpretFollowing,
} from './discrete-choices.ts'
export type { Attributes, Emitter } from './emitter.ts'
export { gradients } from './gradients.ts'
export {
  apply,
  applyAll,
  type Choice,
  Graph,
  type GraphDType,
  type Node,
  type NodeRule,
  shapeError,
  Tensor,
  type TensorType,
} from './graph.ts'
export { interpret, reachableNodes } from './interpreter.ts'
export { type LoweringOptions, lower } from './lowering.ts'
export { multiplyAddsOf } from './multiply-adds.ts'
export type { NdArray } from './ndarray.ts'
export type {
  ChannelAffineSemantics,
  Channels,
  Convolution,
  ConvolutionSemantics,
  Extents,
  InputGradientSemantics,
  KernelGradientSemantics,
  NodeSemantics,
  WeightedRowsSemantics,
} from './node-semantics.ts'
export { irVersion, type OnnxAttribute, opset } from './onnx.ts'
export * from './ops/broadcast.ts'
export * from './ops/convolution.ts'
export * from './ops/elementwise.ts'
export * from './ops/indexing.ts'
export * from './ops/matmul.ts'
export * from './ops/normalisation.ts'
export * from './ops/pooling.ts'
export * from './ops/reduce.ts'
export type { ReduceOptions } from './ops/reduced-axes.ts'
export * from './ops/resize.ts'
export * from './ops/shape.ts'
export * from './ops/slicing.ts'
export * from './ops/softmax.ts'
export * from './ops/standardise.ts'
export * from './ops/suppression.ts'
export * from './ops/window.ts'
export type { Program, TakenValues, TensorSpec } from './program.ts'
export { type Replace, rewrite, usesOf, withInputs } from './rewrite.ts'
