import { expect, it } from 'vitest'
import type { HostTensor } from '../base/tensor.ts'
import { stepLayers } from './step-layers.ts'

const floats = (...values: number[]): HostTensor => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
})

it('a step is logged with shares, excluded experts and counters of each mixture, and only what there is', () => {
  const info = { experts: 3, k: 1, inputs: 1, constraint: 'none' }
  const layers = [
    { ...info, name: 'layer3', counters: [] },
    { ...info, name: 'layer4', counters: ['r'] },
  ]
  const outputs = new Map([
    ['layer3.importance', floats(0, 0, 0)],
    ['layer3.excluded', floats(0, 0, 0)],
    ['layer4.importance', floats(2, 1, 3)],
    ['layer4.excluded', floats(0, 1, 0)],
    ['layer4.counters.r', floats(0.123456789, -1, 0)],
  ])
  expect(stepLayers(layers, outputs)).toEqual({
    layer3: { shares: [0, 0, 0] },
    layer4: { shares: [0.3333, 0.1667, 0.5], excluded: [1], counters: { r: [0.12346, -1, 0] } },
  })
  expect(stepLayers([], outputs)).toBeUndefined()
})
