import { describe, expect, it } from 'vitest'
import type { FoundObject } from '../../tasks/detection/records.ts'
import type { RoutedLayer } from '../../tasks/routing.ts'
import { chooseScenes } from './scene-choice.ts'

const found = (image: number, level: number, side: number, score = 0.9): FoundObject => ({
  imageId: image,
  categoryId: 1,
  box: [0, 0, side, side],
  score,
  image,
  label: 0,
  level,
})

/** Fine levels go to expert 0, coarse ones to expert 1. */
const layer = (images: number): RoutedLayer => ({
  name: 'head',
  experts: 2,
  k: 1,
  inputs: 5,
  logits: new Float32Array(),
  weights: Float32Array.from({ length: images * 10 }, (_, at) => {
    const [unit, expert] = [at >> 1, at % 2]
    return Number(expert === Number(unit % 5 > 1))
  }),
})

describe('the choice of scenes', () => {
  it('shows first where different experts find different sizes, then where most is found', () => {
    const records = {
      images: 4,
      found: [
        // Image 0: two sizes, one expert. Image 1: one object. Image 2: two experts, 4 octaves of area apart. 3: nothing.
        ...[found(0, 0, 8), found(0, 1, 64), found(1, 4, 64)],
        ...[found(2, 0, 16), found(2, 4, 64)],
      ],
    }
    expect(chooseScenes(records, layer(4), 2)).toEqual({ images: [2, 0], score: 0.5 })
    expect(chooseScenes(records, undefined, 9).images).toEqual([0, 2, 1, 3])
  })

  it('takes less certain detections where there are too few others', () => {
    const records = { images: 2, found: [found(0, 0, 8, 0.6), found(0, 4, 8, 0.2), found(1, 0, 8, 0.04)] }
    expect(chooseScenes(records, layer(2), 1)).toEqual({ images: [0], score: 0.1 })
    expect(chooseScenes({ images: 0, found: [] }, layer(0), 8)).toEqual({ images: [], score: 0.5 })
  })
})
