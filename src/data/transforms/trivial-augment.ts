import type { Draws } from '../../base/random.ts'
import { defineTransform } from '../transform.ts'
import { evenly, operations, type Strength } from './operations.ts'
import { roundEven } from './round-even.ts'

const bins = 31

/** The ranges of torchvision's `TrivialAugmentWide`. */
export const wide: readonly Strength[] = [
  { operation: 'identity' },
  { operation: 'shear-x', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'shear-y', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'translate-x', at: evenly(0, 32, bins), signed: true },
  { operation: 'translate-y', at: evenly(0, 32, bins), signed: true },
  { operation: 'rotate', at: evenly(0, 135, bins), signed: true },
  { operation: 'brightness', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'color', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'contrast', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'sharpness', at: evenly(0, 0.99, bins), signed: true },
  { operation: 'posterize', at: bin => 8 - roundEven(bin / ((bins - 1) / 6)) },
  { operation: 'solarize', at: evenly(255, 0, bins) },
  { operation: 'auto-contrast' },
  { operation: 'equalize' },
]

/**
 * Applies an operation of a strength.
 *
 * @param bin - which of the strengths
 */
export function applyStrength(
  { operation, at, signed }: Strength,
  bin: number,
  { image, size, draws }: { readonly image: Float32Array; readonly size: number; readonly draws: Draws },
): void {
  const magnitude = at?.(bin) ?? 0
  const sign = signed === true && draws.uniform() < 0.5 ? -1 : 1
  operations[operation](image, size, sign * magnitude)
}

/** TrivialAugment with wide ranges (Müller and Hutter 2021): one operation, drawn evenly, of a strength drawn evenly. */
export const definition = defineTransform({
  name: 'trivial-augment',
  description: 'one change of shape or colour, drawn with its strength for each image',
  options: {},
  create:
    () =>
    (image, { size, draws }) => {
      const strength = wide[draws.below(wide.length)]!
      applyStrength(strength, draws.below(bins), { image, size, draws })
    },
})
