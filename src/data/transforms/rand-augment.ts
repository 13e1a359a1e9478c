import { z } from 'zod'
import { defineTransform } from '../transform.ts'
import { evenly, type Strength } from './operations.ts'
import { roundEven } from './round-even.ts'
import { applyStrength } from './trivial-augment.ts'

const bins = 31

/** The ranges of torchvision's `RandAugment`; translations follow the image's size. */
export function strengths(size: number): readonly Strength[] {
  const across = (150 / 331) * size
  return [
    { operation: 'identity' },
    { operation: 'shear-x', at: evenly(0, 0.3, bins), signed: true },
    { operation: 'shear-y', at: evenly(0, 0.3, bins), signed: true },
    { operation: 'translate-x', at: evenly(0, across, bins), signed: true },
    { operation: 'translate-y', at: evenly(0, across, bins), signed: true },
    { operation: 'rotate', at: evenly(0, 30, bins), signed: true },
    { operation: 'brightness', at: evenly(0, 0.9, bins), signed: true },
    { operation: 'color', at: evenly(0, 0.9, bins), signed: true },
    { operation: 'contrast', at: evenly(0, 0.9, bins), signed: true },
    { operation: 'sharpness', at: evenly(0, 0.9, bins), signed: true },
    { operation: 'posterize', at: bin => 8 - roundEven(bin / ((bins - 1) / 4)) },
    { operation: 'solarize', at: evenly(255, 0, bins) },
    { operation: 'auto-contrast' },
    { operation: 'equalize' },
  ]
}

/** RandAugment (Cubuk et al. 2020): some operations one after the other, each drawn evenly, all of one strength. */
export const definition = defineTransform({
  name: 'rand-augment',
  description: 'some changes of shape or colour, drawn for each image, of one strength',
  options: {
    operations: z.int().min(1).max(20).default(2).describe('how many, one after the other'),
    magnitude: z.int().min(0).max(30).default(9).describe('their strength, from 0 to 30'),
  },
  create:
    ({ operations, magnitude }) =>
    (image, { size, draws }) => {
      const all = strengths(size)
      for (let i = 0; i < operations; i++)
        applyStrength(all[draws.below(all.length)]!, magnitude, { image, size, draws })
    },
})
