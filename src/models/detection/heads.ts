import { concat, relu, reshape, sigmoid, type Tensor, transpose } from '../../graph/index.ts'
import {
  type DispatchName,
  dispatchTo,
  type Gating,
  type GatingOptions,
  gateInputs,
  type MoeStatistics,
  type RoutingOverride,
} from '../../moe/index.ts'
import { constant, type Layer, type Scope } from '../../nn/index.ts'
import { biasedConv } from './biased-conv.ts'
import { type HeadInitialisation, headValues } from './initialisation.ts'
import type { ClassScores } from './losses.ts'

/**
 * The heads of a detector: `classification_head` and `regression_head`, each shared by all levels of the pyramid; plain, or
 * with a mixture of experts inside (METHOD.md §5.2). The routed unit is (image, level): row = level · N + image.
 */

/** A gate of the heads: of one of them, or of both. */
export type HeadGate = 'shared' | 'classification' | 'regression'

/** Which part of the heads is a mixture of experts, and how it routes. */
export interface HeadMixture extends GatingOptions {
  readonly heads: 'both' | 'regression' | 'classification'
  /** `shared`: one gate, at the heads' scope, routes a level of an image for both heads. */
  readonly gates: 'own' | 'shared'
  /** The whole head, whose results are combined, or the last of its hidden convolutions, whose features are. */
  readonly part: 'head' | 'last-conv'
  readonly dispatch?: DispatchName
  readonly capacityFactor?: number | undefined
  /** Overrides of the routing for single gates. */
  readonly overrides?: ReadonlyMap<HeadGate, RoutingOverride> | undefined
  /**
   * Whether experts are initialised to predict background (`priorProbability`). The original's are not; initially they
   * predict every category everywhere, with a probability of about one half. A head whose last hidden convolution is
   * the mixture is initialised likewise.
   */
  readonly priorBias: boolean
}

/** Both heads. */
export interface HeadsOptions {
  /** Number of categories (C). */
  readonly classes: number
  /** Of every hidden convolution. */
  readonly channels: number
  /** Number of hidden 3×3 convolutions of a head, from 1. */
  readonly depth: number
  readonly anchorsAPosition: number
  readonly mixture: HeadMixture | null
  /** Whether everything except mixtures is frozen. */
  readonly frozen: boolean
  /** Default: torchvision's. */
  readonly initialisation?: HeadInitialisation
}

/** The heads' outputs for A anchors, in the order of `anchorsOf`. */
export interface HeadsResult {
  readonly classes: ClassScores
  /** Codes of boxes (`box-coding.ts`), [N, A, 4]. */
  readonly boxes: Tensor
  /** Auxiliary losses, scalars, to be added to the task's. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/** The initial probability of every category at every anchor (Lin et al. 2017, π). */
export const priorProbability = 0.01

/** One of the two heads. */
interface HeadPlan {
  readonly name: 'classification_head' | 'regression_head'
  /** The name of its last convolution, which has no relu. */
  readonly output: 'cls_logits' | 'bbox_reg'
  /** Number of outputs per anchor. */
  readonly numbers: number
  /** Initial bias of the last convolution. Default: as for its other convolutions. */
  readonly firstBias: number | undefined
  readonly mixture: HeadMixture | undefined
}

/**
 * Both heads on every level.
 *
 * Names at the scope: `classification_head.conv.I.0`, `.cls_logits`, `regression_head.conv.I.0`, `.bbox_reg`. A head that is
 * a mixture has `HEAD.gate.*` and `HEAD.experts.I.` before them, one whose last convolution is `HEAD.conv.I.0.gate.*` and
 * `HEAD.conv.I.0.experts.I`; a shared gate is at `gate.*`.
 *
 * @param levels - P3 to P7, [N, channels, H, W] each
 * @throws MoietyError (usage) as `gateInputs` does
 */
export function detectionHeads(scope: Scope, levels: readonly Tensor[], options: HeadsOptions): HeadsResult {
  const { mixture, classes } = options
  const routedAt = (gate: HeadGate): HeadMixture | undefined =>
    mixture === null ? undefined : { ...mixture, override: mixture.overrides?.get(gate) ?? mixture.override }
  const shared = mixture?.gates === 'shared' ? gateInputs(scope, levels, routedAt('shared')!) : undefined
  const has = (heads: 'regression' | 'classification'): HeadMixture | undefined =>
    mixture !== null && (mixture.heads === 'both' || mixture.heads === heads) ? routedAt(heads) : undefined
  const build = (plan: HeadPlan): Head =>
    scope.in(plan.name, inner => head(inner, levels, plan, options, shared))

  const prior = has('classification')?.priorBias ?? true
  const classification = build({
    name: 'classification_head',
    output: 'cls_logits',
    numbers: classes,
    firstBias: prior ? -Math.log((1 - priorProbability) / priorProbability) : undefined,
    mixture: has('classification'),
  })
  const regression = build({
    name: 'regression_head',
    output: 'bbox_reg',
    numbers: 4,
    firstBias: undefined,
    mixture: has('regression'),
  })
  const gatings = [shared, classification.gating, regression.gating].filter(gating => gating !== undefined)
  return {
    classes: {
      kind: has('classification')?.part === 'head' ? 'probabilities' : 'logits',
      value: byAnchor(classification.maps, classes),
    },
    boxes: byAnchor(regression.maps, 4),
    losses: gatings.flatMap(({ losses }) => losses),
    stats: gatings.flatMap(({ stats }) => stats),
  }
}

/** A head's output for each level. */
interface Head {
  /** [N, anchors a position · numbers, H, W] each. */
  readonly maps: readonly Tensor[]
  /** Of its own gate. */
  readonly gating: Gating | undefined
}

function head(
  scope: Scope,
  levels: readonly Tensor[],
  plan: HeadPlan,
  options: HeadsOptions,
  shared: Gating | undefined,
): Head {
  const { mixture, output } = plan
  const { channels, depth, frozen } = options
  const plain = frozen ? scope.frozen() : scope
  const first = headValues(options.initialisation ?? 'torchvision', mixture !== undefined)
  const last: Layer = (at, x) =>
    biasedConv(at, x, {
      outputs: options.anchorsAPosition * plan.numbers,
      kernel: 3,
      ...first.output,
      ...(plan.firstBias === undefined ? {} : { bias: constant(plan.firstBias) }),
    })
  const hidden: Layer = (at, x) => biasedConv(at, x, { outputs: channels, kernel: 3, ...first.hidden })
  const stack = (at: Scope, x: Tensor, count: number): Tensor => {
    let y = x
    for (let i = 0; i < count; i++) y = relu(inHidden(at, i, inner => hidden(inner, y)))
    return y
  }
  const whole: Layer = (at, x) => {
    const features = stack(at, x, depth)
    return at.in(output, inner => last(inner, features))
  }

  if (mixture === undefined) return { maps: levels.map(level => whole(plain, level)), gating: undefined }
  if (mixture.part === 'head') {
    // Classes are combined as probabilities, boxes as codes (METHOD.md §5.2).
    const expert: Layer = plan.name === 'classification_head' ? (at, x) => sigmoid(whole(at, x)) : whole
    const { outputs, gating } = mixed(scope, levels, mixture, expert, shared)
    return { maps: outputs, gating }
  }
  const before = levels.map(level => stack(plain, level, depth - 1))
  const { outputs, gating } = inHidden(scope, depth - 1, inner =>
    mixed(inner, before, mixture, hidden, shared),
  )
  return { maps: outputs.map(y => plain.in(output, inner => last(inner, relu(y)))), gating }
}

/** The finest level is P3. */
const firstLevel = 3

/** The name of hidden convolution `i`: torchvision's name. */
function inHidden<T>(scope: Scope, i: number, build: (scope: Scope) => T): T {
  return scope.in('conv', all => all.in(String(i), block => block.in('0', build)))
}

/** A mixture of experts on every level, routed by its own gate unless there is a shared one. */
function mixed(
  scope: Scope,
  xs: readonly Tensor[],
  mixture: HeadMixture,
  expert: Layer,
  shared: Gating | undefined,
): { readonly outputs: readonly Tensor[]; readonly gating: Gating | undefined } {
  const own = shared === undefined ? gateInputs(scope, xs, mixture) : undefined
  const { weights } = shared ?? own!
  const experts = new Array<Layer>(mixture.experts).fill(expert)
  // Each level has its own choice, so how many images an expert gets differs from level to level.
  const outputs = xs.map((x, i) =>
    dispatchTo(scope, x, weights[i]!, experts, {
      k: mixture.k,
      factor: mixture.capacityFactor,
      dispatch: mixture.dispatch,
      rows: `images on P${i + firstLevel}`,
    }),
  )
  return { outputs, gating: own }
}

/**
 * Maps [N, anchors a position · numbers, H, W] as [N, A, numbers], position by position, levels one after the other. The
 * numbers of an anchor are neighbouring channels, so each level is one transposed matrix an image. N may be a name.
 */
function byAnchor(maps: readonly Tensor[], numbers: number): Tensor {
  const rows = maps.map(map => {
    const images = map.dim(0)
    const [channels, height, width] = map.shape.slice(1).map(Number)
    const positions = height! * width!
    const matrix = transpose(reshape(map, [images, channels!, positions]), [0, 2, 1])
    return reshape(matrix, [images, (positions * channels!) / numbers, numbers])
  })
  return concat(rows, 1)
}
