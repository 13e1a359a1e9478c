import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { exampleImages } from './example-images.ts'
import { describedExamples, mostWeighted } from './examples-of-experts.ts'

const layer = {
  ...{ name: 'layer4', experts: 2, k: 1, inputs: 1 },
  weights: Float32Array.of(1, 0, 0, 1, 1, 0, 0, 1, 1, 0),
  logits: Float32Array.of(3, 0, 0, 5, 4, 0, 0, 5, 3, 0),
}

describe('example images', () => {
  it('are those with the most weight for an expert, equal ones by the logit and then in order', () => {
    const numbers = (expert: number, of = layer): number[] =>
      mostWeighted(of, expert).map(({ image }) => image)
    expect(numbers(0)).toEqual([2, 0, 4])
    expect(numbers(1)).toEqual([1, 3])
    expect(numbers(0, { ...layer, inputs: 5 })).toEqual([0])
  })

  it('are logged with their weights and the names of their classes, each once', () => {
    const items = [
      { image: 2, label: 1, level: 0 },
      { image: 0, label: 0, level: 0 },
      { image: 2, label: 0, level: 1 },
      { image: 2, label: 1, level: 2 },
    ]
    expect(describedExamples([layer], items, ['ant', 'bee'])).toEqual({
      layer4: [
        [
          { image: 2, weight: 1, classes: ['bee', 'ant'] },
          { image: 0, weight: 1, classes: ['ant'] },
          { image: 4, weight: 1, classes: [] },
        ],
        [
          { image: 1, weight: 1, classes: [] },
          { image: 3, weight: 1, classes: [] },
        ],
      ],
    })
  })

  it('stand next to each other in one picture of each expert that has any', async () => {
    const asked: (readonly number[])[] = []
    const pictures = async (_: string, images: readonly number[]) => {
      asked.push(images)
      return images.map(image => ({
        ...{ width: 2, height: 1 },
        pixels: Uint8Array.of(image * 50, image * 50, 0, 0, 0, 0),
      }))
    }
    const unused = { ...layer, name: 'layer3', weights: Float32Array.of(1, 0), logits: new Float32Array(2) }
    const strips = await exampleImages({ pictures }, 'val', [layer, unused])
    expect(Object.keys(strips)).toEqual(['val/layer4/images/0', 'val/layer4/images/1', 'val/layer3/images/0'])
    expect(asked).toEqual([[2, 0, 4], [1, 3], [0]])
    const { data, info } = await sharp(strips['val/layer4/images/0']!.png)
      .raw()
      .toBuffer({ resolveWithObject: true })
    expect([info.width, info.height]).toEqual([588, 96])
    const red = (x: number, y: number): number => data[(y * info.width + x) * info.channels]!
    // The middle of each tile, and the grey that a picture twice as wide as high leaves above it.
    expect([red(48, 48), red(98 + 48, 48), red(196 + 48, 48), red(48, 5)]).toEqual([100, 0, 200, 128])
    expect(await exampleImages({}, 'val', [layer])).toEqual({})
  })
})
