import { describe, expect, it } from 'vitest'
import { createNamed } from '../../base/component.ts'
import { draws } from '../../base/random.ts'
import { resolveConfig } from '../../config/config.ts'
import { splitOfArrays } from '../arrays.ts'
import { imageBatch } from '../batches.ts'
import { transforms } from './registry.ts'

const size = 16
/** Every pixel differs, none is 0. */
const gradient = () => Float32Array.from({ length: 3 * size * size }, (_, i) => 1 + (i % 254))

function changed(options: { readonly name: string } & Record<string, unknown>, seed: number): Float32Array {
  const image = gradient()
  createNamed(transforms, options)(image, { size, draws: draws(seed, 'test') })
  return image
}

describe('random-erasing', () => {
  it('covers a rectangle, the same in each channel, of a share between its limits', () => {
    const shares = Array.from({ length: 200 }, (_, seed) => {
      const image = changed({ name: 'random-erasing', probability: 1 }, seed)
      const plane = size * size
      const covered = Array.from({ length: plane }, (_, i) => image[i] === 0)
      for (const channel of [1, 2])
        for (let i = 0; i < plane; i++) expect(image[channel * plane + i] === 0).toBe(covered[i])
      const places = covered.flatMap((is, i) => (is ? [i] : []))
      const rows = places.map(i => Math.floor(i / size))
      const columns = places.map(i => i % size)
      const extent = (of: number[]) => Math.max(...of) - Math.min(...of) + 1
      expect(extent(rows) * extent(columns)).toBe(places.length)
      return places.length / plane
    })
    // Sides are whole pixels, so the limits are not met exactly.
    expect(Math.min(...shares)).toBeGreaterThan(0.005)
    expect(Math.max(...shares)).toBeLessThan(0.38)
    expect(shares.reduce((a, b) => a + b) / 200).toBeCloseTo(0.175, 1)
  })

  it('leaves as many images alone as it is told', () => {
    const same = Array.from({ length: 400 }, (_, seed) =>
      changed({ name: 'random-erasing' }, seed).includes(0),
    )
    expect(same.filter(is => !is).length / 400).toBeCloseTo(0.5, 1)
  })
})

describe('random-resized-crop', () => {
  it('shows all of the image where the part is all of it', () => {
    const image = changed({ name: 'random-resized-crop', least: 1, most: 1, ratio: 1 }, 0)
    expect(image).toEqual(gradient())
  })

  it('keeps values within those of the image, and differs from image to image', () => {
    const images = [0, 1, 2, 3].map(seed => changed({ name: 'random-resized-crop' }, seed))
    for (const image of images) {
      expect(Math.min(...image)).toBeGreaterThanOrEqual(1)
      expect(Math.max(...image)).toBeLessThanOrEqual(254)
    }
    expect(new Set(images.map(image => image.join())).size).toBe(4)
  })
})

describe.each(['trivial-augment', 'rand-augment'])('%s', name => {
  it('keeps pixels from 0 to 255, and draws the same again', () => {
    for (let seed = 0; seed < 200; seed++) {
      const image = changed({ name }, seed)
      expect(image.every(value => value >= 0 && value <= 255)).toBe(true)
      expect(changed({ name }, seed)).toEqual(image)
    }
  })
})

it('a configuration names them, and images are changed by (seed, epoch, image) alone', async () => {
  const names = ['random-resized-crop', 'trivial-augment', 'random-erasing']
  const { augmentation } = resolveConfig(
    { augmentation: { flip: 0, transforms: names.map(name => ({ name })) } },
    'test',
  )
  const pixels = Uint8Array.from({ length: 4 * 3 * size * size }, (_, i) => i % 251)
  const split = splitOfArrays({ pixels, labels: [0, 1, 2, 3], size })
  const load = async (indices: number[], epoch: number, numbers?: number[]) => {
    const options = { mean: [0, 0, 0], std: [1, 1, 1], augmentation, seed: 3, epoch } as const
    const given = numbers === undefined ? {} : { numbers: Uint32Array.from(numbers) }
    return (await imageBatch(split, indices, { ...options, ...given })).data as Float32Array
  }
  const perImage = 3 * size * size
  const both = await load([2, 1], 0)
  expect(await load([1], 0)).toEqual(both.slice(perImage))
  expect(await load([1], 1)).not.toEqual(both.slice(perImage))
  // An image that comes again in an epoch is changed otherwise.
  expect(await load([1], 0, [1 + 4])).not.toEqual(both.slice(perImage))
})

it('an option that one does not have is refused', () => {
  const config = { augmentation: { transforms: [{ name: 'random-erasing', share: 1 }] } }
  expect(() => resolveConfig(config, 'test')).toThrow('has no key "share"')
})
