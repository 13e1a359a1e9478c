import { globalAveragePool, maxPool, relu, type Tensor } from '../graph/index.ts'
import type { MoeResult, MoeStatistics } from '../moe/index.ts'
import { basicBlock, bottleneck, type ConvBlock, type ConvShape } from '../nn/blocks.ts'
import type { Initialiser } from '../nn/initialise.ts'
import { kaimingUniform } from '../nn/initialise.ts'
import { batchNorm, conv, linear } from '../nn/layers.ts'
import type { Scope } from '../nn/scope.ts'

/** The supported ResNets of He et al. 2015. */
export type ResNetName = 'resnet18' | 'resnet34' | 'resnet50'

/** Blocks per stage, and the type of block. */
export const resnets = {
  resnet18: { depths: [2, 2, 2, 2], block: basicBlock, expansion: 1 },
  resnet34: { depths: [3, 4, 6, 3], block: basicBlock, expansion: 1 },
  resnet50: { depths: [3, 4, 6, 3], block: bottleneck, expansion: 4 },
} as const

/**
 * The layers before the first stage: a convolution with a square kernel, BatchNorm, relu and, if it pools, a 3×3 max-pool
 * of stride 2. `cifar` is for images of 32 pixels, `imagenet` as published, `strided` for images of 64 to 160 pixels.
 */
export const stems = {
  cifar: { kernel: 3, stride: 1, pools: false },
  imagenet: { kernel: 7, stride: 2, pools: true },
  strided: { kernel: 3, stride: 2, pools: false },
} as const

/** The supported stems. */
export type StemName = keyof typeof stems

/** The specification of a stage. */
export interface StagePlan {
  /** 1 to 4. */
  readonly position: number
  /** Builds one of the `depth` blocks. */
  readonly block: typeof basicBlock
  readonly depth: number
  /** Channels inside a block. */
  readonly width: number
  /** Channels of the result. */
  readonly outputs: number
  /** Of the first block. */
  readonly stride: number
  /** Extent in pixels of the square kernel that takes the stride. */
  readonly kernel: number
  /** Whether what is left of the plain stage is frozen. */
  readonly isFrozen?: boolean
}

/** Builds a replaceable part of the network. */
export type StageBuilder = (scope: Scope, x: Tensor, plan: StagePlan) => MoeResult

/** Builds a replaceable convolution: the stem's, or the last one of a stage. */
export type ConvBuilder = (scope: Scope, x: Tensor, options: ConvShape) => MoeResult

/** A ResNet with its replacements. */
export interface BackboneOptions {
  readonly name: ResNetName
  readonly stem: StemName
  /** Channels of the first stage; torchvision has 64. */
  readonly width: number
  /** What replaces the stem (0) or whole stages (1 to 4), by position. */
  readonly replaced?: ReadonlyMap<number, StageBuilder>
  /** What replaces the stem's convolution (0) or the last convolution of a stage (1 to 4), by position. */
  readonly replacedConv?: ReadonlyMap<number, ConvBuilder>
  /**
   * Positions, 0 the stem, whose parameters and BatchNorm statistics are frozen; what replaces a part of them is trained. Default:
   * none.
   */
  readonly frozen?: ReadonlySet<number> | undefined
  /**
   * Initialisation of the kernels of a stem that is not torchvision's own, which the authors inserted after torchvision's
   * constructor had run (METHOD.md §1.4); default: PyTorch's, {@link kaimingUniform}.
   */
  readonly stemKernels?: Initialiser
}

/** A ResNet that classifies. */
export interface ResNetOptions extends BackboneOptions {
  readonly classes: number
}

/** Feature maps of a ResNet's stages, with the auxiliary losses and statistics of its mixtures of experts. */
export interface ResNetStages {
  /** The results of stages 1 to 4, C2 to C5 of a feature pyramid: each [N, C, H, W] of half the extents of the one before. */
  readonly stages: readonly Tensor[]
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/** A classifier's outputs, with the auxiliary losses and statistics of its mixtures of experts. */
export interface Classification {
  /** [N, classes]. */
  readonly logits: Tensor
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/** A ResNet's outputs. */
export interface ResNetResult extends Classification {
  /** The features before the classifier: the mean of each channel after the last stage, [N, C]. */
  readonly features: Tensor
}

/**
 * A ResNet with torchvision's names: `conv1`, `bn1`, `layer1.0.conv1` …, `fc`. Where a part is replaced, its
 * auxiliary losses and statistics are part of the result.
 *
 * @param images - float32 [N, 3, H, W], normalised
 */
export function resnet(scope: Scope, images: Tensor, options: ResNetOptions): ResNetResult {
  const { stages, losses, stats } = resnetStages(scope, images, options)
  const features = globalAveragePool(stages.at(-1)!)
  const logits = scope.in('fc', inner => linear(inner, features, options.classes))
  return { logits, features, losses, stats }
}

/**
 * The stem and the four stages of a ResNet, without a classifier.
 *
 * @param images - float32 [N, 3, H, W], normalised
 */
export function resnetStages(scope: Scope, images: Tensor, options: BackboneOptions): ResNetStages {
  const { depths, block, expansion } = resnets[options.name]
  const losses: Tensor[] = []
  const stats: MoeStatistics[] = []
  const take = (result: MoeResult): Tensor => {
    losses.push(...result.losses)
    stats.push(...result.stats)
    return result.output
  }
  const stages: Tensor[] = []
  const isFrozen = (position: number): boolean => options.frozen?.has(position) === true
  const at = (position: number): Scope =>
    isFrozen(position) && options.replaced?.has(position) !== true ? scope.frozen() : scope
  /** A convolution that is replaced in a frozen position. */
  const replacedConv = (position: number): ConvBuilder | undefined => {
    const build = options.replacedConv?.get(position)
    if (build === undefined || !isFrozen(position)) return build
    return (inner, y, shape) => build(inner.trained(), y, shape)
  }
  let x = take(stem(at(0), images, options, replacedConv(0)))
  for (const [i, depth] of depths.entries()) {
    const width = options.width * 2 ** i
    const plan: StagePlan = {
      position: i + 1,
      block,
      depth,
      width,
      outputs: width * expansion,
      stride: i === 0 ? 1 : 2,
      kernel: 3,
      isFrozen: isFrozen(i + 1),
    }
    const build = options.replaced?.get(plan.position) ?? plainStage(replacedConv(plan.position))
    x = at(plan.position).in(`layer${plan.position}`, inner => take(build(inner, x, plan)))
    stages.push(x)
  }
  return { stages, losses, stats }
}

function stem(
  scope: Scope,
  images: Tensor,
  { stem: kind, width, replaced, stemKernels = kaimingUniform }: BackboneOptions,
  single: ConvBuilder = plainConv,
): MoeResult {
  const { kernel, stride, pools } = stems[kind]
  const pool = (x: Tensor): Tensor => (pools ? maxPool(x, { kernel: 3, stride: 2, padding: 1 }) : x)
  const own = kind === 'imagenet' ? scope : scope.withKernels(stemKernels)
  const whole = replaced?.get(0)
  if (whole !== undefined) {
    const plan: StagePlan = {
      position: 0,
      block: basicBlock,
      depth: 1,
      width,
      outputs: width,
      stride,
      kernel,
    }
    const result = scope.in('stem', inner => whole(inner, images, plan))
    return { ...result, output: pool(result.output) }
  }
  const result = own.in('conv1', inner => single(inner, images, { outputs: width, kernel, stride }))
  const normal = scope.in('bn1', inner => batchNorm(inner, result.output))
  return { ...result, output: pool(relu(normal)) }
}

const plain = (output: Tensor): MoeResult => ({ output, losses: [], stats: [] })

const plainConv: ConvBuilder = (scope, x, options) => plain(conv(scope, x, options))

/** ResNet's stage; its last convolution may be replaced. */
export function plainStage(lastConv: ConvBuilder | undefined): StageBuilder {
  return (scope, x, { block, depth, width, outputs, stride }) => {
    let result = plain(x)
    const replace: ConvBlock = (inner, y, options) => {
      const mixture = lastConv!(inner, y, options)
      result = mixture
      return mixture.output
    }
    let y = x
    for (let i = 0; i < depth; i++) {
      const last = i === depth - 1 && lastConv !== undefined ? replace : undefined
      const options = { width, outputs, stride: i === 0 ? stride : 1, lastConv: last }
      y = scope.in(String(i), inner => block(inner, y, options))
    }
    return { ...result, output: y }
  }
}

/** Builds a classifier at a scope: images [N, 3, S, S] to logits, losses and routing statistics. */
export type Classifier = (scope: Scope, images: Tensor) => Classification
