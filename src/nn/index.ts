/**
 * Layers as functions of a scope and a tensor: convolution, BatchNorm, linear, residual blocks, first values.
 *
 * @module
 */
export * from './blocks.ts'
export * from './initialise.ts'
export * from './layers.ts'
export {
  adopt,
  type Declaration,
  Declarations,
  type Initialiser,
  type Kept,
  Scope,
  type ScopeOptions,
} from './scope.ts'
