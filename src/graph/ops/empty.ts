import type { Emitter } from '../emitter.ts'

/**
 * The product of stacks of matrices is a sum over nothing, hence zero, when their inner extent is 0. The engine
 * leaves that memory uninitialised. Where the extent is symbolic, this writes zeros.
 *
 * @param source - a factor: has no element exactly when the inner extent (or the result) has none
 */
export function zeroWhenEmpty(emit: Emitter, product: string, source: string): string {
  const filled = emit.node('Greater', [emit.node('Size', [source]), emit.constant('int64', [], [0])])
  return emit.node('Where', [filled, product, emit.float(0)])
}
