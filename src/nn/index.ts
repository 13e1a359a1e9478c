/**
 * Layers as functions of a scope and a tensor: convolution, BatchNorm, normalisation, linear, dropout, residual blocks, initialisation.
 *
 * @module
 */
export * from './blocks.ts'
export * from './dropout.ts'
export * from './initialise.ts'
export * from './layers.ts'
export * from './normalisation.ts'
export {
  adopt,
  ContextKey,
  type Declaration,
  Declarations,
  type Distribution,
  type Kept,
  type Labels,
  type Limit,
  type RandomInput,
  Scope,
  type ScopeOptions,
  type SelectedRows,
} from './scope.ts'
export * from './squeeze-excitation.ts'
