import type { Tensor } from '../graph/index.ts'
import type { MoeStatistics } from '../moe/index.ts'
import type { Scope } from '../nn/index.ts'

/** Of what form the images of a batch are; each form has a program of its own. Extents in pixels. */
export interface BatchForm {
  /** N. */
  readonly images: number
  readonly height: number
  readonly width: number
}

/** What a network makes of a batch, and what it should have made of it. */
export interface Objective {
  /** The task's loss, a scalar: a mean over the batch's images. */
  readonly taskLoss: Tensor
  /** Auxiliary losses, scalars, to be added to it. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
  /** What else is measured: scalars that are sums over the batch's images, by name. */
  readonly measures: ReadonlyMap<string, Tensor>
}

/**
 * Builds a network and its task's loss at a scope. What the images should be taken for, it asks of the graph as inputs.
 *
 * @param images - float32 [N, 3, H, W]
 */
export type BuildObjective = (scope: Scope, images: Tensor) => Objective
