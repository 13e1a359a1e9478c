import { add, mul, relu, reshape, type Tensor } from '../graph/index.ts'
import {
  type Constraint,
  type DispatchName,
  type Gate,
  type MoeResult,
  mixtureOfExperts,
  type RoutingOverride,
  type Weighting,
} from '../moe/index.ts'
import { projection } from '../nn/blocks.ts'
import type { Initialiser } from '../nn/initialise.ts'
import { kaimingUniform, zeros } from '../nn/initialise.ts'
import { batchNorm, channelsOf, conv, type Layer } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'
import { expertWidth } from './expert-width.ts'
import { type ConvBuilder, plainStage, type ResNetName, type StageBuilder, type StagePlan } from './resnet.ts'

/**
 * Placement of a mixture of experts in a ResNet (METHOD.md §1.3): `block` replaces a stage, `resblock` adds
 * a shortcut around it, `conv` makes a mixture of the stem's convolution or of a stage's last one. `shared` keeps the stage and adds the
 * mixture to its result, times a learned factor for each channel that begins at 0: a network that is trained already
 * begins with what it computes. (A shared expert as in DeepSeekMoE, Dai et al. 2024; a factor of 0 as in ReZero, Bachlechner et al. 2021.)
 */
export type EmbeddingStyle = 'block' | 'resblock' | 'conv' | 'shared'

/** A mixture of experts and its place in a ResNet. */
export interface EmbeddedMoe {
  /** 0 the stem, 1 to 4 the stages. */
  readonly position: number
  readonly style: EmbeddingStyle
  /** Number of experts (E). */
  readonly experts: number
  readonly k: number
  /** Channels inside an expert; null: METHOD.md's rule, half a stage. */
  readonly expertWidth: number | null
  readonly gate: Gate
  readonly constraint: Constraint
  readonly weighting: Weighting
  readonly dispatch: DispatchName
  readonly capacityFactor?: number | undefined
  readonly noise: boolean
  readonly lift: number | null
  readonly override?: RoutingOverride
}

/**
 * The replacements in a ResNet for these mixtures of experts.
 *
 * @param kernels - initialisation of the kernels of experts and shortcuts; default: PyTorch's, {@link kaimingUniform}, which the
 *   authors' have because they are put in after torchvision's constructor has run (METHOD.md §1.4)
 */
export function embed(
  model: ResNetName,
  width: number,
  layers: readonly EmbeddedMoe[],
  kernels: Initialiser = kaimingUniform,
): { readonly replaced: Map<number, StageBuilder>; readonly replacedConv: Map<number, ConvBuilder> } {
  const replaced = new Map<number, StageBuilder>()
  const replacedConv = new Map<number, ConvBuilder>()
  for (const layer of layers) {
    if (layer.style === 'conv') replacedConv.set(layer.position, convMixture(layer, kernels))
    else replaced.set(layer.position, stageMixture(model, width, layer, kernels))
  }
  return { replaced, replacedConv }
}

/** A mixture of full-size, bias-free convolutions (METHOD.md §1.3, style 3). */
function convMixture(layer: EmbeddedMoe, kernels: Initialiser): ConvBuilder {
  return (outer, x, options) => {
    const scope = outer.withKernels(kernels)
    const experts = Array.from({ length: layer.experts }, (): Layer => (inner, y) => conv(inner, y, options))
    return mixtureOfExperts(scope, x, { ...layer, experts })
  }
}

function stageMixture(
  model: ResNetName,
  networkWidth: number,
  layer: EmbeddedMoe,
  kernels: Initialiser,
): StageBuilder {
  return (outer, x, plan) => {
    const scope = outer.withKernels(kernels)
    const expert = plan.position === 0 ? stemExpert(plan) : stageExpert(model, networkWidth, layer, plan)
    const experts = new Array<Layer>(layer.experts).fill(expert)
    const mixture = mixtureOfExperts(scope, x, { ...layer, experts })
    if (layer.style === 'block') return mixture
    if (layer.style === 'shared') return { ...mixture, output: addToStage(outer, x, mixture, plan) }
    return { ...mixture, output: addShortcut(scope, x, mixture, plan) }
  }
}

/** out = y + shortcut(x), and no relu after it: experts end in one already (METHOD.md §1.3, style 2). */
function addShortcut(scope: Scope, x: Tensor, mixture: MoeResult, { outputs, stride }: StagePlan): Tensor {
  const keeps = stride === 1 && channelsOf(x) === outputs
  const shortcut = keeps ? x : scope.in('shortcut', inner => projection(inner, x, { outputs, stride }))
  return add(mixture.output, shortcut)
}

/** out = stage(x) + a · y, with `scale` a [C], 0 at first. */
function addToStage(scope: Scope, x: Tensor, { output }: MoeResult, plan: StagePlan): Tensor {
  const stage = plainStage(undefined)(plan.isFrozen ? scope.frozen() : scope, x, plan).output
  const scale = scope.parameter('scale', [plan.outputs], zeros)
  return add(stage, mul(output, reshape(scale, [plan.outputs, 1, 1])))
}

/** Position 0: the stem itself, convolution (name `0`), BatchNorm (name `1`), relu (METHOD.md §1.4). */
function stemExpert({ outputs, stride, kernel }: StagePlan): Layer {
  return (scope, x) => {
    const y = scope.in('0', inner => conv(inner, x, { outputs, kernel, stride }))
    return relu(scope.in('1', inner => batchNorm(inner, y)))
  }
}

/**
 * A stage with narrower blocks: blocks `0`, `1`, … of the expert's width, the last one of the stage's own, so that
 * an expert's result has the stage's shape (METHOD.md §1.4). In bottlenecks the width is that of the 3×3.
 */
function stageExpert(model: ResNetName, networkWidth: number, layer: EmbeddedMoe, plan: StagePlan): Layer {
  const { position, block, depth, outputs, stride } = plan
  const inside = layer.expertWidth ?? expertWidth(model, position, networkWidth, depth)
  const isBottleneck = model === 'resnet50'
  return (scope, x) => {
    let y = x
    for (let i = 0; i < depth; i++) {
      const isLast = i === depth - 1
      const options = {
        width: inside,
        outputs: isLast || isBottleneck ? outputs : inside,
        stride: i === 0 ? stride : 1,
      }
      y = scope.in(String(i), inner => block(inner, y, options))
    }
    return y
  }
}
