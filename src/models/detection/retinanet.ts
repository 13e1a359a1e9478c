import { fail } from '../../base/errors.ts'
import type { Tensor } from '../../graph/index.ts'
import type { MoeStatistics } from '../../moe/index.ts'
import type { Scope } from '../../nn/scope.ts'
import { type BackboneOptions, resnetStages } from '../resnet.ts'
import { type AnchorOptions, anchorsAPosition, defaultAnchors } from './anchors.ts'
import { featurePyramid } from './fpn.ts'
import { detectionHeads, type HeadMixture } from './heads.ts'
import type { HeadInitialisation } from './initialisation.ts'
import type { ClassScores } from './losses.ts'

/**
 * What a training freezes (METHOD.md §5.3), in increasing order:
 *
 * - `nothing`
 * - `batch-norm`: BatchNorm's running statistics in the backbone; its scales and shifts are trained
 * - `early-stages`: the same, and all parameters of the stem and of stages 1 to 3
 * - `features`: the backbone and the pyramid, with all statistics
 * - `trunk`: everything that is not part of a head's mixture of experts
 */
export type Freeze = 'nothing' | 'batch-norm' | 'early-stages' | 'features' | 'trunk'

/** A RetinaNet. */
export interface RetinaNetOptions {
  /** A ResNet; one of its stages may be a mixture of experts. */
  readonly backbone: BackboneOptions
  /** Number of categories (C). */
  readonly classes: number
  /** Of every level of the pyramid and of the heads; 256 as published. */
  readonly channels: number
  /** Hidden convolutions of a head; 4 as published. */
  readonly headDepth: number
  readonly anchors?: AnchorOptions
  /** Mixtures of experts in the heads; null: plain heads. */
  readonly mixture: HeadMixture | null
  readonly freeze: Freeze
  /** Which level P6 is made of. Default: C5, as published. */
  readonly p6From?: 'C5' | 'P5'
  /** Initialisation of pyramid and heads. Default: torchvision's. */
  readonly initialisation?: HeadInitialisation
}

/** A detector's outputs for the A anchors of each image, in the order of `anchorsOf`. */
export interface RetinaNetResult {
  readonly classes: ClassScores
  /** Codes of boxes (`box-coding.ts`), [N, A, 4]. */
  readonly boxes: Tensor
  /** Auxiliary losses, scalars, to be added to `detectionLosses`. */
  readonly losses: readonly Tensor[]
  readonly stats: readonly MoeStatistics[]
}

/**
 * RetinaNet (Lin et al. 2017; METHOD.md §5.1): a ResNet, a feature pyramid P3 to P7, and two heads on every level.
 *
 * The backbone has torchvision's names for a ResNet, at the root (`conv1`, `layer1` …, no `fc`), so that published ones load
 * unchanged; `fpn.*` and `head.*` are named as in torchvision's RetinaNet.
 *
 * @param images - float32 [N, 3, H, W], normalised; H and W known, N may be a name
 * @throws MoietyError (usage) for a mixture of experts in a frozen part, and as `gateInputs` does
 */
export function retinanet(scope: Scope, images: Tensor, options: RetinaNetOptions): RetinaNetResult {
  const { backbone, classes, channels, headDepth, anchors = defaultAnchors } = options
  const { mixture, freeze, initialisation = 'torchvision' } = options
  checkFreeze(options)
  const isFrozen = freeze === 'trunk' || freeze === 'features'
  const trunk = isFrozen ? scope.frozen() : scope
  const body = resnetStages(freeze === 'nothing' ? trunk : trunk.withRunningStatistics(), images, {
    ...backbone,
    frozen: freeze === 'early-stages' ? earlyStages : undefined,
  })
  const levels = trunk.in('fpn', inner =>
    featurePyramid(inner, body.stages.slice(1), channels, initialisation, options.p6From),
  )
  const heads = scope.in('head', inner =>
    detectionHeads(inner, levels, {
      classes,
      channels,
      depth: headDepth,
      anchorsAPosition: anchorsAPosition(anchors),
      mixture,
      frozen: freeze === 'trunk',
      initialisation,
    }),
  )
  return {
    ...heads,
    losses: [...body.losses, ...heads.losses],
    stats: [...body.stats, ...heads.stats],
  }
}

/** Of `early-stages`. */
const lastEarlyStage = 3
const earlyStages = new Set([0, 1, 2, lastEarlyStage])

/** The last position of the backbone at which a mixture of experts would not be trained; −1: none. */
export function frozenPositions(freeze: Freeze): number {
  if (freeze === 'trunk' || freeze === 'features') return 4
  return freeze === 'early-stages' ? lastEarlyStage : -1
}

function checkFreeze({ freeze, backbone }: RetinaNetOptions): void {
  const positions = [...(backbone.replaced?.keys() ?? []), ...(backbone.replacedConv?.keys() ?? [])]
  const frozen = positions.find(position => position <= frozenPositions(freeze))
  if (frozen === undefined) return
  fail({
    kind: 'usage',
    message: `freeze "${freeze}" freezes position ${frozen} of the backbone, and a mixture of experts in it would not be trained`,
    where: 'freeze',
    help: 'use freeze "nothing" or "batch-norm", or a plain backbone',
  })
}

/** Builds a detector at a scope: images [N, 3, H, W] to outputs for every anchor. */
export type Detector = (scope: Scope, images: Tensor) => RetinaNetResult
