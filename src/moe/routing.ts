import {
  add,
  asFloat,
  gatherLastAxis,
  greater,
  scatterLastAxis,
  softmax,
  stopGradient,
  sub,
  sum,
  type Tensor,
  topK,
  where,
} from '../graph/index.ts'

/**
 * From logits to weights (METHOD.md §1.1). N images, E experts, K chosen for each image.
 */
export type Weighting = 'softmax-after-top-k' | 'softmax-before-top-k'

/** How experts are chosen and weighed. */
export interface RoutingOptions {
  /** How many experts compute each image (K). */
  readonly k: number
  readonly weighting: Weighting
  /** bool [E]: experts that get no image in this step. */
  readonly excluded?: Tensor | undefined
  /** float32 [E], added to the logits for the choice only, not for the weights. */
  readonly bias?: Tensor | undefined
}

/** Where each image goes. */
export interface Routing {
  /** What was chosen by, noise included, [N, E]. */
  readonly logits: Tensor
  /** What the gate said, before noise, [N, E]. */
  readonly cleanLogits: Tensor
  /** Standard deviation of the noise, [N, E]; undefined without noise. */
  readonly noiseScale: Tensor | undefined
  /** Zero for experts that were not chosen; rows sum to 1, [N, E]. */
  readonly weights: Tensor
  /** 1 where the weight is positive, [N, E]; no gradient. */
  readonly selected: Tensor
  /** I_i = Σ_n w_ni, [E] (METHOD.md §2). */
  readonly importance: Tensor
  readonly k: number
  readonly experts: number
}

/** Stands for −∞ among logits: no exponential of it is anything but 0, and none of it is ever infinite. */
const never = -1e30

/**
 * Chooses K experts for each image and weighs them.
 *
 * Excluded experts get the logit −10³⁰ before the choice. Where fewer than K are left, the surplus places hold
 * that logit, and their softmax is exactly 0: fewer than K experts act, as the paper allows.
 *
 * - `softmax-after-top-k`: softmax over the K chosen logits. With K = 1 the weight is constantly 1, so nothing
 *   teaches the gate.
 * - `softmax-before-top-k`: softmax over all, the K largest kept and divided by their sum, which for
 *   K ≥ 2 gives the same weights. With K = 1 the weight
 *   is 1 in value but p in gradient (straight through), so the gate learns.
 *
 * @param logits - float32 [N, E]
 * @returns weights [N, E], at most K of a row positive
 */
export function route(logits: Tensor, { k, weighting, excluded, bias }: RoutingOptions): Tensor {
  const allowed = excluded === undefined ? logits : where(excluded, never, logits)
  const scores = bias === undefined ? allowed : add(allowed, bias)
  const chosen = topK(scores, k)
  // p_i / Σ p over the K chosen is e^(z_i) / Σ e^(z) over them: for K ≥ 2 both weightings are one. Written so, no sum can underflow
  // to 0, as that of the p would where a bias chooses experts whose logits are far below the largest.
  if (weighting === 'softmax-after-top-k' || k > 1) {
    const values = bias === undefined ? chosen.values : gatherLastAxis(allowed, chosen.indices)
    return scatterLastAxis(chosen.indices, softmax(values), logits)
  }
  const kept = gatherLastAxis(softmax(allowed), chosen.indices)
  return scatterLastAxis(chosen.indices, straightThroughOne(kept), logits)
}

/** 1 in value, p in gradient. */
function straightThroughOne(p: Tensor): Tensor {
  return add(sub(p, stopGradient(p)), 1)
}

/** Collects what constraints and reports need about a routing. */
export function describeRouting(
  weights: Tensor,
  logits: Tensor,
  cleanLogits: Tensor,
  noiseScale: Tensor | undefined,
  k: number,
): Routing {
  return {
    logits,
    cleanLogits,
    noiseScale,
    weights,
    selected: asFloat(greater(stopGradient(weights), 0)),
    importance: sum(weights, [0]),
    k,
    experts: Number(logits.shape[1]),
  }
}
