import { describe, expect, it } from 'vitest'
import { expertWidth } from './expert-width.ts'

describe('the width of an expert', () => {
  it("is the paper's in a ResNet-18 and a ResNet-50 of width 64", () => {
    const widths = (name: 'resnet18' | 'resnet50'): number[] =>
      [1, 2, 3, 4].map(position => expertWidth(name, position, 64, 2))
    expect(widths('resnet18')).toEqual([25, 50, 90, 180])
    expect(widths('resnet50')).toEqual([24, 58, 140, 200])
  })

  it('scales with the network and is never 0', () => {
    expect([1, 2, 3, 4].map(position => expertWidth('resnet18', position, 24, 2))).toEqual([9, 19, 34, 68])
    expect(expertWidth('resnet18', 1, 1, 2)).toBe(1)
  })

  it('in a ResNet-34 gives an expert half the weights of its stage', () => {
    const depths = [3, 4, 6, 3]
    for (const [i, depth] of depths.entries()) {
      const outputs = 64 * 2 ** i
      const inputs = i === 0 ? 64 : outputs / 2
      // Two 3×3 convolutions a block, and a 1×1 one where channels change or the stride is 2.
      const weights = (inside: number): number => {
        let [channels, total] = [inputs, 0]
        for (let block = 0; block < depth; block++) {
          const to = block === depth - 1 ? outputs : inside
          total += 9 * channels * to + 9 * to * to
          if (channels !== to || (block === 0 && i > 0)) total += channels * to
          channels = to
        }
        return total
      }
      const ratio = weights(expertWidth('resnet34', i + 1, 64, depth)) / weights(outputs)
      expect(Math.abs(ratio - 0.5)).toBeLessThan(0.02)
    }
  })

  it('is asked for stages 1 to 4 only', () => {
    for (const name of ['resnet18', 'resnet34', 'resnet50'] as const)
      for (const position of [0, 5]) expect(() => expertWidth(name, position, 64, 2)).toThrow('from 1 to 4')
  })
})
