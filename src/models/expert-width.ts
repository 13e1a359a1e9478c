import { fail } from '../base/errors.ts'

/** Channels inside one expert of a ResNet-18 of width 64, for positions 1 to 4 (METHOD.md §1.4). */
const resnet18Widths = [25, 50, 90, 180] as const

/** The same for the bottleneck experts of a ResNet-50 (METHOD.md §1.4, "narrow" experts). */
const resnet50Widths = [24, 58, 140, 200] as const

/** Weights of a stage of basic blocks with these widths inside, BatchNorm left out. */
function basicStageWeights(inputs: number, widths: readonly number[], stride: number): number {
  let channels = inputs
  let total = 0
  for (const [i, width] of widths.entries()) {
    const projects = channels !== width || (i === 0 && stride !== 1)
    total += 9 * channels * width + 9 * width * width + (projects ? channels * width : 0)
    channels = width
  }
  return total
}

/**
 * Channels inside an expert, by METHOD.md's rule: one expert is about half a stage, so that K = 2 active experts
 * cost about what the plain stage does. For ResNet-18 and -50 the paper's widths, scaled with the network's; for
 * ResNet-34 the width whose weights come closest to half of the stage's.
 *
 * @param position - 1 to 4: the stage
 * @param width - channels of the network's first stage
 * @throws MoietyError (usage) for a position that is not a stage
 */
export function expertWidth(
  model: 'resnet18' | 'resnet34' | 'resnet50',
  position: number,
  width: number,
  depth: number,
): number {
  const published = (model === 'resnet50' ? resnet50Widths : resnet18Widths)[position - 1]
  if (published === undefined)
    return fail({ kind: 'usage', message: `expected a stage from 1 to 4, but got ${position}` })
  if (model !== 'resnet34') return Math.max(1, Math.round((published * width) / 64))
  const outputs = width * 2 ** (position - 1)
  const inputs = position === 1 ? width : outputs / 2
  const stride = position === 1 ? 1 : 2
  const target = basicStageWeights(inputs, new Array<number>(depth).fill(outputs), stride) / 2
  const distance = (inside: number): number => {
    const widths = [...new Array<number>(depth - 1).fill(inside), outputs]
    return Math.abs(basicStageWeights(inputs, widths, stride) - target)
  }
  let best = 1
  for (let inside = 2; inside <= outputs; inside++) if (distance(inside) < distance(best)) best = inside
  return best
}
