import { type ErrorFacts, fail } from '../base/errors.ts'
import { checkNumber } from '../base/numbers.ts'
import {
  add,
  addRows,
  asFloat,
  concat,
  gatherRows,
  greater,
  matmul,
  mul,
  nonzero,
  reshape,
  type Shape,
  slice,
  stopGradient,
  sum,
  type Tensor,
  topK,
  where,
  zeroRows,
} from '../graph/index.ts'
import { checkedTensor } from '../nn/contract.ts'
import type { Layer } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'

/**
 * y_n = Σ_i w_ni · E_i(x_n), the sum over the experts with a positive weight. Ways to compute it that agree in value and,
 * where they train, in every gradient.
 *
 * @param experts - the E experts; expert I is built at `experts.I` of the scope
 * @param weights - [N, E]
 * @param rows - what the N rows are; where the same experts are sent to more than once, words that no other time has: how
 *   many of them an expert gets is an extent of its own
 */
export type Dispatch = (
  scope: Scope,
  x: Tensor,
  weights: Tensor,
  experts: readonly Layer[],
  rows?: string,
) => Tensor

/**
 * Computes only what was chosen: each expert gets the images with a positive weight for it, and its results are
 * added back to their rows. An expert may get any number of images, none included.
 */
export const sparseDispatch: Dispatch = (scope, x, weights, experts, rows = 'images') => {
  let output: Tensor | undefined
  let first: Shape | undefined
  for (const [i, expert] of experts.entries()) {
    const column = columnOf(weights, i)
    const own = nonzero(greater(column, 0), `${rows} of ${scope.name(`experts.${i}`)}`, true)
    const inner = scope.selected({ indices: own, of: x.shape[0]! })
    const result = buildExpert(inner, i, expert, gatherRows(x, own))
    first ??= result.shape
    checkAlike(scope, i, result.shape, first)
    const weighted = mul(result, perImage(gatherRows(column, own)))
    output = addRows(output ?? zeroRows(x, result.shape.slice(1)), own, weighted)
  }
  return output!
}

/** How many images an expert takes, where that is fixed. */
export interface CapacityOptions {
  /** How many experts compute each image (K). */
  readonly k: number
  /** Times K·N/E, the number of images that an expert gets when all get as many. Default: 2. */
  readonly factor?: number | undefined
}

export const usualCapacityFactor = 2

/**
 * How many of N images each of E experts takes: ⌈factor · K · N / E⌉, and never more than N.
 *
 * @throws MoietyError (usage) for a factor that is not positive and finite
 */
export function capacityOf(
  images: number,
  experts: number,
  { k, factor = usualCapacityFactor }: CapacityOptions,
): number {
  checkNumber(factor, value => value > 0 && Number.isFinite(value), {
    where: 'capacityFactor',
    expected: 'a positive number',
  })
  return Math.min(images, Math.ceil((factor * k * images) / experts))
}

/**
 * Computes what was chosen, by programs without an extent that is known only when they run: each expert gets as many images as it may
 * take, those with a positive weight for it first. The rest have the weight 0, and batch statistics do not count them. A step in which
 * an expert would get more does not count, and is refused: no image is dropped.
 *
 * Outside of training, where all images of a batch may choose one expert, it is sparse dispatch.
 *
 * @throws MoietyError (usage) for a number of images that is known only when the program runs
 */
export function capacityDispatch(options: CapacityOptions): Dispatch {
  return (scope, x, weights, experts, rows = 'images') => {
    if (!scope.training) return sparseDispatch(scope, x, weights, experts, rows)
    const [images] = x.shape
    if (typeof images !== 'number')
      return fail({
        kind: 'usage',
        message: `dispatch to a capacity expected a known number of images, but got ${images}`,
        where: scope.path,
        help: 'use dispatch sparse or dense for this layer, or another dispatch than sparse for the layer around it',
      })
    const capacity = capacityOf(images, experts.length, options)
    const counts = sum(asFloat(greater(stopGradient(weights), 0)), [0])
    scope.limit(`capacity of ${rows}`, {
      numbers: counts,
      most: capacity,
      explain: (expert, count) =>
        overflow(scope.path, { ...options, rows, images, experts: experts.length, capacity }, expert, count),
    })
    let output: Tensor | undefined
    let first: Shape | undefined
    for (const [i, expert] of experts.entries()) {
      const column = columnOf(weights, i)
      const own = firstPositive(column, images, capacity)
      const weight = gatherRows(column, own)
      const chosen = asFloat(greater(stopGradient(weight), 0))
      const { mask } = scope
      const inner = scope
        .selected({ indices: own, of: images })
        .masked(mask === undefined ? chosen : mul(chosen, gatherRows(mask, own)))
      const result = buildExpert(inner, i, expert, gatherRows(x, own))
      first ??= result.shape
      checkAlike(scope, i, result.shape, first)
      output = addRows(output ?? zeroRows(x, result.shape.slice(1)), own, mul(result, perImage(weight)))
    }
    return output!
  }
}

/** The numbers of `count` of N images: those with a positive weight, then others, each in their order, int64 [count]. */
function firstPositive(weights: Tensor, images: number, count: number): Tensor {
  const order = (first: number): Tensor =>
    weights.graph.constant(
      'float32',
      [images],
      Array.from({ length: images }, (_, n) => first - n),
    )
  // All of them differ, so that no engine has to break a tie.
  return topK(where(greater(stopGradient(weights), 0), order(images), order(0)), count).indices
}

/** What is wrong where an expert was chosen by more images than it takes. */
function overflow(
  layer: string,
  {
    k,
    factor = usualCapacityFactor,
    rows,
    images,
    experts,
    capacity,
  }: CapacityOptions &
    Readonly<Record<'images' | 'experts' | 'capacity', number>> & { readonly rows: string },
  expert: number,
  count: number,
): ErrorFacts {
  // Rounded up, so that what is printed suffices.
  const needed = Math.ceil(((count * experts) / (k * images)) * 100) / 100
  return {
    kind: 'usage',
    message: `${count} of ${images} ${rows} chose expert ${expert}, which takes ${capacity}: ⌈capacityFactor · K · N / E⌉ with capacityFactor = ${factor}, K = ${k}, N = ${images}, E = ${experts}`,
    where: `${layer}.experts.${expert}`,
    help: `set capacityFactor of this layer to ${needed} or more (${experts / k} always suffices), which a resume accepts too, or begin a run with dispatch sparse or dense; the state is that before this step`,
  }
}

/** Runs every expert on every image and multiplies by the weight, zero included: slow and obvious. */
export const denseDispatch: Dispatch = (scope, x, weights, experts) => {
  let first: Shape | undefined
  const contributions = experts.map((expert, i) => {
    const column = columnOf(weights, i)
    const chosen = asFloat(greater(column, 0))
    const result = buildExpert(scope.masked(chosen), i, expert, x)
    first ??= result.shape
    checkAlike(scope, i, result.shape, first)
    return mul(result, perImage(column))
  })
  return contributions.reduce((total, contribution) => add(total, contribution))
}

/**
 * For analysis: the experts' results side by side, [N, E, C·H·W], and the weights as a matrix product with them. What many
 * routings of one network share is then all but one product each, and their graph grows with E and not with E². Only
 * outside of training, where no image enters another one's statistics.
 *
 * @throws MoietyError (usage) in training
 */
export const stackedDispatch: Dispatch = (scope, x, weights, experts) => {
  if (scope.training)
    return fail({
      kind: 'usage',
      message: 'stacked dispatch does not train: its experts see every image',
      where: scope.path,
      help: 'use dispatch sparse or dense',
    })
  const results = experts.map((expert, i) => buildExpert(scope, i, expert, x))
  for (const [i, { shape }] of results.entries()) checkAlike(scope, i, shape, results[0]!.shape)
  const [images, ...extents] = results[0]!.shape
  const size = extents.reduce((total: number, extent) => total * Number(extent), 1)
  const rows = results.map(result => reshape(result, [images!, 1, size]))
  const mixed = matmul(reshape(weights, [images!, 1, experts.length]), concat(rows, 1))
  return reshape(mixed, [images!, ...extents])
}

/** Expert i at `experts.I` of the scope, its result checked: an expert of a user's own may give anything. */
export function buildExpert(scope: Scope, i: number, expert: Layer, x: Tensor): Tensor {
  return scope.in('experts', all =>
    all.in(String(i), inner =>
      checkedTensor(expert(inner, x), {
        who: 'an expert',
        returns: 'its feature maps of the images that it gets',
        graph: scope.graph,
        dtype: 'float32',
        shape: [x.shape[0]!, null, null, null],
        where: inner.path,
        help: 'return a tensor [N, C, H, W] made from all of x, such as relu(conv(scope, x, { outputs: 8, kernel: 3 }))',
      }),
    ),
  )
}

/** Refuses a result of other extents than the first expert's: the results are added. @throws MoietyError (usage) */
function checkAlike(scope: Scope, i: number, [, ...extents]: Shape, [, ...first]: Shape): void {
  if (sameExtents(extents, first)) return
  fail({
    kind: 'usage',
    message: `experts must all return the same shape, but expert ${i} returned [${extents.join(', ')}] for an image, and expert 0 [${first.join(', ')}]`,
    where: scope.name(`experts.${i}`),
    help: 'end every expert with as many channels and the same stride',
  })
}

function sameExtents(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis])
}

/** Column i of [N, E] as [N]. */
function columnOf(weights: Tensor, i: number): Tensor {
  return reshape(slice(weights, 1, i, i + 1), [weights.shape[0]!])
}

/** [N] → [N, 1, 1, 1], to weigh whole images. */
function perImage(values: Tensor): Tensor {
  return reshape(values, [values.shape[0]!, 1, 1, 1])
}
