import { fail } from '../../base/errors.ts'
import type { Tensor } from '../../graph/index.ts'
import type { MoeStatistics } from '../../moe/index.ts'
import type { Scope } from '../../nn/scope.ts'
import { type BackboneOptions, resnetStages } from '../resnet.ts'
import { type AnchorOptions, anchorsAPosition, defaultAnchors } from './anchors.ts'
import { featurePyramid } from './fpn.ts'
import { detectionHeads, type HeadMixture } from './heads.ts'
import type { ClassScores } from './losses.ts'

/**
 * What a training leaves as it is: nothing; BatchNorm's statistics in the backbone, whose scale and shift are trained; or
 * everything that is not part of a head's mixture of experts (METHOD.md §5.3).
 */
export type Freeze = 'nothing' | 'batch-norm' | 'trunk'

/** A RetinaNet. */
export interface RetinaNetOptions {
  /** A ResNet; one of its stages may be a mixture of experts. */
  readonly backbone: BackboneOptions
  /** How many categories there are (C). */
  readonly classes: number
  /** Of every level of the pyramid and of the heads; 256 as published. */
  readonly channels: number
  /** Hidden convolutions of a head; 4 as published. */
  readonly headDepth: number
  readonly anchors?: AnchorOptions
  /** Mixtures of experts in the heads; null: plain heads. */
  readonly mixture: HeadMixture | null
  readonly freeze: Freeze
}

/** What a detector says of the A anchors of each image, in the order of `anchorsOf`. */
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
 * as they are; `fpn.*` and `head.*` are named as in torchvision's RetinaNet.
 *
 * @param images - float32 [N, 3, H, W], normalised; H and W known, N may be a name
 * @throws MoietyError (usage) for a frozen trunk with a mixture of experts in it, and as `gateInputs` does
 */
export function retinanet(scope: Scope, images: Tensor, options: RetinaNetOptions): RetinaNetResult {
  const { backbone, classes, channels, headDepth, anchors = defaultAnchors, mixture, freeze } = options
  checkFreeze(options)
  const bodies = {
    nothing: () => scope,
    'batch-norm': () => scope.withRunningStatistics(),
    trunk: () => scope.frozen(),
  } as const
  const trunk = freeze === 'trunk' ? scope.frozen() : scope
  const body = resnetStages(bodies[freeze](), images, backbone)
  const levels = trunk.in('fpn', inner => featurePyramid(inner, body.stages.slice(1), channels))
  const heads = scope.in('head', inner =>
    detectionHeads(inner, levels, {
      classes,
      channels,
      depth: headDepth,
      anchorsAPosition: anchorsAPosition(anchors),
      mixture,
      frozen: freeze === 'trunk',
    }),
  )
  return {
    ...heads,
    losses: [...body.losses, ...heads.losses],
    stats: [...body.stats, ...heads.stats],
  }
}

function checkFreeze({ freeze, backbone }: RetinaNetOptions): void {
  const mixtures = (backbone.replaced?.size ?? 0) + (backbone.replacedConv?.size ?? 0)
  if (freeze === 'trunk' && mixtures > 0) {
    fail({
      kind: 'usage',
      message: 'the trunk is frozen, and a mixture of experts in it would never learn',
      where: 'freeze',
      help: 'use freeze "nothing" or "batch-norm", or a plain backbone',
    })
  }
}
