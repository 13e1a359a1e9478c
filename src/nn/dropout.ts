import { fail } from '../base/errors.ts'
import { asFloat, greaterOrEqual, mul, type Shape, type Tensor } from '../graph/index.ts'
import type { Scope } from './scope.ts'

/** Options of dropout. */
export interface DropoutOptions {
  /** The probability that a value is set to 0; the others are divided by 1 − p. */
  readonly p: number
  /** Drops single values, or whole channels of [N, C, H, W] (torch's Dropout2d). */
  readonly of?: 'values' | 'channels'
}

/**
 * Dropout (Srivastava et al. 2014): in training each value is kept with probability 1 − p and divided by it, which preserves the mean;
 * otherwise x itself. The mask is a function of (seed, layer, step, image), drawn by the counter-based generator outside the
 * graph and fed, so a resumed training drops the same values. Inside an expert, an image gets the same draws whichever images
 * share the expert with it, so sparse and dense dispatch agree.
 *
 * @throws MoietyError (usage) for p outside [0, 1), or in training for an x whose extents are not known
 */
export function dropout(scope: Scope, x: Tensor, { p, of = 'values' }: DropoutOptions): Tensor {
  if (!(p >= 0 && p < 1))
    return fail({
      kind: 'usage',
      message: `dropout expected p from 0 to below 1, but got ${p}`,
      where: scope.path,
      help: 'p is the probability that a value is dropped',
    })
  if (!scope.training || p === 0) return x
  const each: Shape = of === 'channels' ? x.shape.map((extent, axis) => (axis < 2 ? extent : 1)) : x.shape
  const kept = asFloat(greaterOrEqual(scope.uniform('dropout', each), p))
  return mul(x, mul(kept, 1 / (1 - p)))
}
