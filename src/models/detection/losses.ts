import {
  abs,
  add,
  and,
  asFloat,
  clamp,
  div,
  gatherRows,
  greaterOrEqual,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  nonzero,
  reshape,
  shapeError,
  sigmoid,
  softplus,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from '../../graph/index.ts'

/**
 * The losses of a detector (METHOD.md §5.1), each of one image divided by the number of its positive anchors, or 1, and
 * averaged over all images of the batch; an image without objects counts with all its anchors as background.
 *
 * N images, A anchors, C categories. A target is a category, C for the background, −1 for an ignored anchor.
 */

/** Class scores of the anchors, [N, A, C]. */
export interface ClassScores {
  /** Mixtures add probabilities, which cannot be turned back into logits without loss. */
  readonly kind: 'logits' | 'probabilities'
  readonly value: Tensor
}

/** The targets of the anchors. */
export interface DetectionTargets {
  /** int64 [N, A]. */
  readonly classes: Tensor
  /** float32 [N, A, 4]: the code of the object; read at positive anchors only. */
  readonly boxes: Tensor
}

/** Both losses, scalars. */
export interface DetectionLosses {
  readonly classification: Tensor
  readonly regression: Tensor
}

/** The share of the positive in the focal loss; the negative have the rest (Lin et al. 2017, α). */
const positiveShare = 0.25

/** Where smooth L1 turns from a parabola into a line (β). */
const turningPoint = 1 / 9

/**
 * Probabilities are clamped away from 0 and 1, where a logarithm and its gradient are infinite: the engine's sigmoid reaches 1,
 * and weights that add up to 1 may give 1.0000001 in float32. Where p is clamped it has no gradient, so the clamping is
 * minimal: at the largest float32 below 1, and below what a sigmoid can give.
 */
const bounds = { low: 1e-12, high: 1 - 2 ** -24 } as const

/** How the losses differ from those of Lin et al. 2017. */
export interface DetectionLossOptions {
  /**
   * Keeps probabilities within [clamp, 1 − clamp] in the focal loss, with a zero gradient where they are clamped; the
   * original has 1e-4 (METHOD.md §5.3). Null: only as far as float32 needs it.
   */
  readonly clamp?: number | null
}

/** Focal loss of the categories, smooth L1 of the codes. */
export function detectionLosses(
  classes: ClassScores,
  boxes: Tensor,
  targets: DetectionTargets,
  { clamp: margin = null }: DetectionLossOptions = {},
): DetectionLosses {
  const anchors = countedAnchors(targets.classes, Number(classes.value.dim(2)))
  return {
    classification: focalOf(classes, anchors, margin),
    regression: smoothL1Of(boxes, targets.boxes, anchors),
  }
}

/** The same with the boxes' loss multiplied by a weight. */
export function weightedLosses(
  { classification, regression }: DetectionLosses,
  boxWeight: number,
): DetectionLosses {
  return { classification, regression: boxWeight === 1 ? regression : mul(regression, boxWeight) }
}

/**
 * Focal loss, γ = 2, α = 0.25 (Lin et al. 2017, equation 5): −α_t·(1 − p_t)²·ln p_t, summed over categories and anchors.
 *
 * @param targets - int64 [N, A]
 * @throws MoietyError (usage) when shapes or dtypes do not fit
 */
export function focalLoss(
  classes: ClassScores,
  targets: Tensor,
  { clamp: margin = null }: DetectionLossOptions = {},
): Tensor {
  return focalOf(classes, countedAnchors(targets, Number(classes.value.dim(2))), margin)
}

/**
 * Smooth L1 with β = 1/9, d²/2β below β and |d| − β/2 above, summed over the four numbers of all positive anchors.
 *
 * @param codes - [N, A, 4]
 * @param targets - float32 [N, A, 4], and the int64 [N, A] that say which anchors are positive
 * @throws MoietyError (usage) when shapes or dtypes do not fit
 */
export function smoothL1Loss(codes: Tensor, targets: DetectionTargets, classes: number): Tensor {
  return smoothL1Of(codes, targets.boxes, countedAnchors(targets.classes, classes))
}

/** Weights of the anchors. */
interface CountedAnchors {
  /** 1 / (N · max(1, positives of the image)), 0 for ignored anchors, [N, A]. */
  readonly weights: Tensor
  /** Numbers n·A + a of the positive anchors of the batch, int64 [M]. */
  readonly positive: Tensor
  /** Their categories, int64 [M]. */
  readonly categories: Tensor
}

function countedAnchors(targets: Tensor, classes: number): CountedAnchors {
  const [images, anchors] = targets.shape.map(Number)
  if (targets.rank !== 2 || targets.dtype !== 'int64' || Number.isNaN(classes)) {
    return shapeError('a detection loss', 'int64 targets [N, A] and a known number of categories', [targets])
  }
  const kind = asFloat(targets)
  const counts = greaterOrEqual(kind, 0)
  const isPositive = and(counts, less(kind, classes))
  const positives = sum(asFloat(isPositive), [1], { keepDims: true })
  const positive = nonzero(reshape(isPositive, [images! * anchors!]), 'positive anchors')
  return {
    weights: div(asFloat(counts), mul(maximum(positives, 1), images!)),
    positive,
    categories: gatherRows(reshape(targets, [images! * anchors!]), positive),
  }
}

/**
 * Nearly all of N·A·C scores are background. So all are treated as background first, and the terms of the few positive ones are
 * corrected: a target tensor of that size is never created.
 */
function focalOf(
  { kind, value }: ClassScores,
  { weights, positive, categories }: CountedAnchors,
  margin: number | null,
): Tensor {
  const [images, anchors, classes] = value.shape.map(Number)
  if (value.rank !== 3 || weights.dim(0) !== images || weights.dim(1) !== anchors) {
    return shapeError('focalLoss', 'scores [N, A, C] and targets [N, A]', [value, weights])
  }
  const flat = reshape(value, [images! * anchors! * classes!])
  const wide = value.graph.constant('int64', [], [classes!])
  // Before the field, so that its gradient is there when that of these few is added to it, in place.
  const own = gatherRows(flat, add(mul(positive, wide), categories))
  const ownWeights = gatherRows(reshape(weights, [images! * anchors!]), positive)
  const terms = focalTerms(kind, margin)
  const exchanged = sub(mul(terms.positive(own), positiveShare), mul(terms.negative(own), 1 - positiveShare))
  const field = sum(reshape(terms.negative(flat), value.shape), [2])
  return add(mul(sum(mul(field, weights)), 1 - positiveShare), sum(mul(exchanged, ownWeights)))
}

/** −(1 − p_t)²·ln p_t of a score of the background (p_t = 1 − p) and of the object (p_t = p). */
interface FocalTerms {
  negative(score: Tensor): Tensor
  positive(score: Tensor): Tensor
}

/** With p = σ(z): −ln(1 − p) = softplus(z), which does not overflow; for the object with −z instead of z. */
const logitTerms: FocalTerms = {
  negative: z => mul(square(sigmoid(z)), softplus(z)),
  positive: z => mul(square(sigmoid(neg(z))), softplus(neg(z))),
}

const probabilityTerms: FocalTerms = {
  negative: p => negativeTerm(minimum(p, bounds.high)),
  positive: p => positiveTerm(clamp(p, bounds.low, bounds.high)),
}

/**
 * The terms of scores. With a margin they are of probabilities cut off at it, also where the scores are logits: σ(z) cut
 * off is constant, so the gradient there is zero, as torch's `clamp` of a sigmoid has it.
 */
function focalTerms(kind: ClassScores['kind'], margin: number | null): FocalTerms {
  if (margin === null) return kind === 'logits' ? logitTerms : probabilityTerms
  // A margin that float32 rounds to 0 must not disable `bounds`.
  const [low, high] = [Math.max(margin, bounds.low), Math.min(1 - margin, bounds.high)]
  const kept = (score: Tensor): Tensor => clamp(kind === 'logits' ? sigmoid(score) : score, low, high)
  return {
    negative: score => negativeTerm(kept(score)),
    positive: score => positiveTerm(kept(score)),
  }
}

const negativeTerm = (p: Tensor): Tensor => neg(mul(square(p), log(sub(1, p))))
const positiveTerm = (p: Tensor): Tensor => neg(mul(square(sub(1, p)), log(p)))

function smoothL1Of(codes: Tensor, targets: Tensor, { weights, positive }: CountedAnchors): Tensor {
  const [images, anchors] = codes.shape.map(Number)
  if (codes.rank !== 3 || codes.dim(2) !== 4 || targets.shape.join() !== codes.shape.join()) {
    return shapeError('smoothL1Loss', 'codes and targets [N, A, 4]', [codes, targets])
  }
  const rows = (boxes: Tensor): Tensor => gatherRows(reshape(boxes, [images! * anchors!, 4]), positive)
  const distance = abs(sub(rows(codes), rows(targets)))
  const each = where(
    less(distance, turningPoint),
    mul(square(distance), 0.5 / turningPoint),
    sub(distance, turningPoint / 2),
  )
  const ownWeights = gatherRows(reshape(weights, [images! * anchors!]), positive)
  return sum(mul(sum(each, [1]), ownWeights))
}
