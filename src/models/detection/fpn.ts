import { add, relu, resizeNearest, shapeError, slice, type Tensor } from '../../graph/index.ts'
import type { Scope } from '../../nn/scope.ts'
import { biasedConv } from './biased-conv.ts'
import { type HeadInitialisation, pyramidValues } from './initialisation.ts'

/**
 * A feature pyramid (Lin et al. 2017; METHOD.md §5.1) with torchvision's names:
 *
 *     P5 = smooth(M5), M5 = lateral(C5);  P4 = smooth(M4), M4 = lateral(C4) + enlarged(M5);  P3 likewise
 *     P6 = 3×3 of stride 2 of C5, or of P5;  P7 = 3×3 of stride 2 of relu(P6)
 *
 * Lateral convolutions are 1×1 (`inner_blocks.I.0`), smoothing ones 3×3 (`layer_blocks.I.0`), I = 0 for the finest level;
 * `extra_blocks.p6`, `extra_blocks.p7`. All have a bias.
 *
 * @param stages - C3, C4, C5, each of half the extents (rounded up) of the one before
 * @param channels - of every level
 * @param initialisation - initialisation. Default: torchvision's
 * @returns P3 to P7, [N, channels, H, W] each
 * @throws MoietyError (usage) when extents are not known or do not fit each other
 */
export function featurePyramid(
  scope: Scope,
  stages: readonly Tensor[],
  channels: number,
  initialisation: HeadInitialisation = 'torchvision',
  p6From: 'C5' | 'P5' = 'C5',
): Tensor[] {
  const first = pyramidValues(initialisation)
  const laterals = stages.map((stage, i) =>
    place(scope, ['inner_blocks', String(i), '0'], inner =>
      biasedConv(inner, stage, { outputs: channels, kernel: 1, ...first }),
    ),
  )
  const merged = new Array<Tensor>(stages.length)
  for (let i = stages.length - 1; i >= 0; i--) {
    const coarser = merged[i + 1]
    merged[i] = coarser === undefined ? laterals[i]! : add(laterals[i]!, enlargedTo(laterals[i]!, coarser))
  }
  const levels = merged.map((level, i) =>
    place(scope, ['layer_blocks', String(i), '0'], inner =>
      biasedConv(inner, level, { outputs: channels, kernel: 3, ...first }),
    ),
  )
  const halved = (name: string, x: Tensor): Tensor =>
    place(scope, ['extra_blocks', name], inner =>
      biasedConv(inner, x, { outputs: channels, kernel: 3, stride: 2, ...first }),
    )
  const p6 = halved('p6', (p6From === 'C5' ? stages : levels).at(-1)!)
  return [...levels, p6, halved('p7', relu(p6))]
}

/** Each value twice in both directions, cropped to the extents of `finer`, which may be odd. */
function enlargedTo(finer: Tensor, coarser: Tensor): Tensor {
  const enlarged = resizeNearest(coarser, 2)
  const [height, width] = [finer.dim(2), finer.dim(3)]
  const fits = (extent: number | string, twice: number | string): boolean =>
    typeof extent === 'number' && (extent === twice || extent + 1 === twice)
  if (!fits(height, enlarged.dim(2)) || !fits(width, enlarged.dim(3))) {
    return shapeError('featurePyramid', 'a stage of half the extents, rounded up, of the one before', [
      finer,
      coarser,
    ])
  }
  return slice(slice(enlarged, 2, 0, Number(height)), 3, 0, Number(width))
}

/** Builds at a path of names. */
function place<T>(scope: Scope, [name, ...rest]: readonly string[], build: (scope: Scope) => T): T {
  return name === undefined ? build(scope) : scope.in(name, inner => place(inner, rest, build))
}
