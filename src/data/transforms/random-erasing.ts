import { z } from 'zod'
import { defineTransform } from '../transform.ts'
import { roundEven } from './round-even.ts'

/**
 * Random erasing (Zhong et al. 2020), as torchvision's `RandomErasing`: a rectangle whose share of the area and whose ratio of sides
 * are drawn, the ratio evenly in its logarithm; ten tries to fit it in, else the image stays. Here it is put in before
 * normalisation, so `value` is a pixel's.
 */
export const definition = defineTransform({
  name: 'random-erasing',
  description: 'covers a rectangle of an image',
  options: {
    probability: z.number().min(0).max(1).default(0.5).describe('how often an image gets one'),
    least: z.number().gt(0).max(1).default(0.02).describe("the rectangle's least share of the area"),
    most: z.number().gt(0).max(1).default(0.33).describe('its largest share'),
    ratio: z
      .number()
      .min(1)
      .max(100)
      .default(3.3)
      .describe('height is at most so many times the width, and the other way round'),
    value: z
      .union([z.number().min(0).max(255), z.literal('random')])
      .default(0)
      .describe('what it holds, from 0 to 255; random: noise'),
  },
  create:
    ({ probability, least, most, ratio, value }) =>
    (image, { size, draws }) => {
      if (draws.uniform() >= probability) return
      for (let attempt = 0; attempt < 10; attempt++) {
        const area = size * size * draws.between(least, Math.max(least, most))
        const aspect = Math.exp(draws.between(-Math.log(ratio), Math.log(ratio)))
        const height = roundEven(Math.sqrt(area * aspect))
        const width = roundEven(Math.sqrt(area / aspect))
        if (height >= size || width >= size || height < 1 || width < 1) continue
        const top = draws.below(size - height + 1)
        const left = draws.below(size - width + 1)
        for (let channel = 0; channel < 3; channel++)
          for (let y = top; y < top + height; y++) {
            const from = (channel * size + y) * size + left
            for (let i = from; i < from + width; i++)
              image[i] = value === 'random' ? draws.between(0, 255) : value
          }
        return
      }
    },
})
