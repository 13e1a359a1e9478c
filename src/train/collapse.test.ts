import { describe, expect, it } from 'vitest'
import { emptySums, utilization } from '../metrics/utilization.ts'
import { collapses } from './collapse.ts'

const layer = (importance: readonly number[]) => ({ ...utilization(emptySums('layer4', 4)), importance })

describe('an alarm', () => {
  it('names the layer and the experts whose share is at most the limit', () => {
    expect(collapses([layer([0.6, 0.01, 0.39, 0])], 0.01)).toEqual([
      {
        layer: 'layer4',
        starved: [1, 3],
        message:
          '2 of 4 experts have at most 1.0 % of the importance (expert 1, 3); if that stays, give the constraint more weight or try another one',
      },
    ])
  })

  it('is raised for each layer that needs it, and for no other', () => {
    const layers = [layer([0.25, 0.25, 0.25, 0.25]), layer([1, 0, 0, 0]), layer([0.02, 0.02, 0.48, 0.48])]
    expect(collapses(layers, 0.01).map(({ starved }) => starved)).toEqual([[1, 2, 3]])
    expect(collapses(layers, 0.03).map(({ starved }) => starved)).toEqual([
      [1, 2, 3],
      [0, 1],
    ])
  })
})
