import { describe, expect, it } from 'vitest'
import { canvasesOf, canvasRule, resizedSize } from './canvas.ts'
import { detectionBatches, makeDetectionBatch } from './detection-batches.ts'
import type { DetectionDataset, DetectionSplit, Scene } from './detection-dataset.ts'

/** Pixels that tell where they are: the red plane has the column, the green one the row, the blue one the scene. */
function datasetOf(scenes: readonly Scene[], size: number, shortest: number | null = null): DetectionDataset {
  const rule = canvasRule(size, shortest)
  const split: DetectionSplit = {
    length: scenes.length,
    scenes,
    load: async indices =>
      Array.from(indices, index => {
        const { width, height } = resizedSize(rule, scenes[index]!.width, scenes[index]!.height)
        const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
          const place = i % (width * height)
          return [place % width, Math.floor(place / width), index][Math.floor(i / (width * height))]!
        })
        return { pixels, width, height }
      }),
  }
  return {
    name: 'coco',
    title: '',
    classes: ['a', 'b'],
    categoryIds: [1, 90],
    superclasses: undefined,
    superclassOf: undefined,
    mean: [0, 0, 0.5],
    std: [1 / 255, 1 / 255, 0.25],
    canvases: canvasesOf(rule),
    sizeFactor: 1,
    train: split,
    test: split,
    skipped: [],
  }
}

const object = { id: 1, box: [10, 4, 20, 12], label: 1, area: 240, crowd: false } as const

function scene(width: number, height: number, objects: Scene['objects'] = []): Scene {
  return { id: 1, name: '', width, height, objects }
}

const never = { flip: 0, seed: 0, epoch: 0 }
const always = { ...never, flip: 1 }

describe('makeDetectionBatch', () => {
  it('places image and boxes in the upper left corner of the canvas, zero right of it and below', async () => {
    // 80×50 brought to a longest side of 64: a scale of 0.8, 64×40 pixels, on a canvas of 64×64.
    const dataset = datasetOf([scene(80, 50, [object])], 64)
    const batch = await makeDetectionBatch(dataset, dataset.train, [0], 'unchanged')
    expect(batch.canvas).toEqual([64, 64])
    expect(batch.images.shape).toEqual([1, 3, 64, 64])
    expect(batch.sizes).toEqual([[40, 64]])
    expect(batch.objects).toEqual([
      { boxes: Float32Array.of(8, 3.2, 24, 12.8), categories: Int32Array.of(1) },
    ])
    const at = (channel: number, y: number, x: number): number =>
      Number(batch.images.data[(channel * 64 + y) * 64 + x])
    // (column / 255 − 0) / (1 / 255), and (0 / 255 − 0.5) / 0.25 for the scene's number in blue.
    expect([at(0, 39, 63), at(1, 39, 63), at(2, 39, 63)].map(Math.round)).toEqual([63, 39, -2])
    expect(at(2, 39, 63)).toBeCloseTo(-2, 5)
    expect([at(0, 40, 63), at(1, 40, 0), at(2, 40, 0), at(2, 63, 63)]).toEqual([0, 0, 0, 0])
  })

  it('scales boxes by the ratios of whole pixels, each axis by its own, as torchvision does', async () => {
    // 64 / 123 · 77 = 40.07, which is 40 pixels: y is scaled by 40 / 77 = 0.51948, not by 64 / 123 = 0.52033.
    const box = [0, 0, 123, 77] as const
    const dataset = datasetOf([scene(123, 77, [{ ...object, box }])], 64)
    const { objects, sizes } = await makeDetectionBatch(dataset, dataset.train, [0], 'unchanged')
    expect(sizes).toEqual([[40, 64]])
    expect(objects[0]!.boxes).toEqual(Float32Array.of(0, 0, 64, 40))
  })

  it('mirrors image and boxes, and leaves the padding unchanged', async () => {
    // Portrait: 50×80 on 64×64 gives 40 columns of image and 24 of padding.
    const dataset = datasetOf([scene(50, 80, [object])], 64)
    const batch = await makeDetectionBatch(dataset, dataset.train, [0], always)
    // x from 50 − 10 − 20 = 20 to 40, times 0.8.
    expect(batch.objects[0]!.boxes).toEqual(Float32Array.of(16, 3.2, 32, 12.8))
    const row = Array.from({ length: 64 }, (_, x) => Math.round(Number(batch.images.data[x])))
    expect(row.slice(0, 40)).toEqual(Array.from({ length: 40 }, (_, x) => 39 - x))
    expect(row.slice(40)).toEqual(new Array(24).fill(0))
  })

  it('keeps a box on the pixels that it is around, flipped or not, at any scale', async () => {
    for (const [width, height] of [
      [97, 61],
      [61, 97],
      [33, 200],
      [200, 33],
    ] as const) {
      const box = [0.3 * width, 0.2 * height, 0.25 * width, 0.5 * height] as const
      const dataset = datasetOf([scene(width, height, [{ ...object, box }])], 128, 96)
      for (const how of [never, always]) {
        const { objects, images, sizes } = await makeDetectionBatch(dataset, dataset.train, [0], how)
        const [rows, columns] = sizes[0]!
        const canvasColumns = images.shape[3]!
        const [left, top, right, bottom] = objects[0]!.boxes
        // The column of the resized image that the middle of the box shows, by the red plane.
        const y = Math.floor((top! + bottom!) / 2)
        const shown = Number(images.data[y * canvasColumns + Math.floor((left! + right!) / 2)])
        expect(Math.abs((shown + 0.5) / columns - 0.425)).toBeLessThanOrEqual(1.5 / columns)
        expect(Math.abs((y + 0.5) / rows - 0.45)).toBeLessThanOrEqual(1.5 / rows)
        expect((right! - left!) / columns).toBeCloseTo(0.25, 1)
      }
    }
  })

  it('has crowds apart from objects, and images without any', async () => {
    const crowd = { ...object, crowd: true, box: [0, 0, 80, 50] as const }
    const dataset = datasetOf([scene(80, 50), scene(80, 50, [crowd, object, { ...object, label: 0 }])], 64)
    const { objects, crowds } = await makeDetectionBatch(dataset, dataset.train, [0, 1], never)
    expect(objects.map(({ categories }) => [...categories])).toEqual([[], [1, 0]])
    expect(crowds).toEqual([new Float32Array(), Float32Array.of(0, 0, 64, 40)])
  })

  it('does to an image what seed, epoch and its number say, whatever is in the batch with it', async () => {
    const dataset = datasetOf(
      Array.from({ length: 40 }, () => scene(64, 64, [object])),
      64,
    )
    const how = { flip: 0.5, seed: 3, epoch: 7 }
    const all = Array.from({ length: 40 }, (_, i) => i)
    const whole = await makeDetectionBatch(dataset, dataset.train, all, how)
    const backwards = await makeDetectionBatch(dataset, dataset.train, all.toReversed(), how)
    const firsts = whole.objects.map(({ boxes }) => boxes[0]!)
    expect(backwards.objects.map(({ boxes }) => boxes[0]!).toReversed()).toEqual(firsts)
    const alone = await makeDetectionBatch(dataset, dataset.train, [17], how)
    expect(alone.images.data).toEqual(whole.images.data.subarray(17 * 3 * 64 * 64, 18 * 3 * 64 * 64))
    // x of 10 as it is, 64 − 10 − 20 = 34 mirrored; about half of each, and others in another epoch.
    expect(firsts.filter(x => x === 34).length).toBeGreaterThan(10)
    expect(firsts.filter(x => x === 10).length).toBeGreaterThan(10)
    const later = await makeDetectionBatch(dataset, dataset.train, all, { ...how, epoch: 8 })
    expect(later.objects.map(({ boxes }) => boxes[0]!)).not.toEqual(firsts)
  })

  it('may be of no images, and refuses other canvases and other numbers', async () => {
    const dataset = datasetOf([scene(80, 50), scene(50, 80)], 128, 96)
    const make = (indices: readonly number[]) => makeDetectionBatch(dataset, dataset.train, indices, never)
    expect((await make([])).images.shape).toEqual([0, 3, 96, 128])
    expect((await make([1])).canvas).toEqual([128, 96])
    await expect(make([0, 1])).rejects.toThrow('different canvases')
    for (const index of [-1, 2, 0.5]) await expect(make([index])).rejects.toThrow(RangeError)
  })
})

describe('detectionBatches', () => {
  const scenes = Array.from({ length: 23 }, (_, i) => (i % 3 === 0 ? scene(50, 80) : scene(80, 50)))
  const dataset = datasetOf(scenes, 128, 96)

  it('has every scene once, each batch of one canvas, only the last of each canvas smaller', () => {
    for (const order of [{ seed: 0, epoch: 0 }, { seed: 1, epoch: 5 }, 'in order'] as const) {
      const batches = detectionBatches(dataset, dataset.train, 4, order)
      expect(batches.flatMap(batch => [...batch]).sort((a, b) => a - b)).toEqual([...scenes.keys()])
      for (const batch of batches) expect(new Set(Array.from(batch, i => i % 3 === 0)).size).toBe(1)
      // 8 portraits: two full batches; 15 landscapes: three full ones and one of three.
      expect(batches.map(batch => batch.length)).toEqual([4, 4, 4, 4, 4, 3])
    }
  })

  it('goes through the files in order for evaluation', () => {
    const batches = detectionBatches(dataset, dataset.train, 4, 'in order')
    expect(batches.map(batch => [...batch])).toEqual([
      [1, 2, 4, 5],
      [0, 3, 6, 9],
      [7, 8, 10, 11],
      [13, 14, 16, 17],
      [12, 15, 18, 21],
      [19, 20, 22],
    ])
  })

  it('is the same for the same seed and epoch, and another for others', () => {
    const order = (seed: number, epoch: number): string =>
      JSON.stringify(detectionBatches(dataset, dataset.train, 4, { seed, epoch }).map(batch => [...batch]))
    expect(order(1, 2)).toBe(order(1, 2))
    expect(new Set([order(1, 2), order(1, 3), order(2, 2)]).size).toBe(3)
  })

  it('of a split without scenes are none; batches of none are refused', () => {
    const empty = datasetOf([], 64)
    expect(detectionBatches(empty, empty.train, 4, 'in order')).toEqual([])
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => detectionBatches(empty, empty.train, size, 'in order')).toThrow(RangeError)
    }
  })
})

describe('a user-defined data set', () => {
  const scene = (more: object): Scene => ({
    ...{ id: 7, name: 'seven.png', width: 64, height: 32 },
    objects: [object, { ...object, ...more }],
  })
  const make = (data: DetectionDataset) => makeDetectionBatch(data, data.train, [0], 'unchanged')

  it.each([
    ['an invalid class', { label: 2 }, 'expected a class from 0 to 1, but got 2'],
    ['−1', { label: -1 }, 'but got -1'],
    ['NaN', { label: Number.NaN }, 'but got NaN'],
    ['a box that is not finite', { box: [0, 0, Number.NaN, 4] }, 'but got [0, 0, NaN, 4]'],
    ['a box inside out', { box: [9, 9, -4, 4] }, 'a width and height above 0, but got [9, 9, -4, 4]'],
    ['a crowd with half a box', { crowd: true, box: [9, 9] }, 'but got [9, 9]'],
  ])('is refused with an object of %s', async (_, more, message) => {
    const error = make(datasetOf([scene(more)], 64))
    await expect(error).rejects.toMatchObject({
      ...{ kind: 'data', where: 'seven.png, objects[1]' },
      message: expect.stringContaining(message) as string,
    })
  })

  it('is refused with pixels of another size than declared, or too few scenes', async () => {
    const data = datasetOf([scene({})], 64)
    for (const loaded of [
      undefined,
      [],
      [{ width: 64, height: 32, pixels: new Uint8Array(5) }],
      [{ width: 65, height: 32, pixels: new Uint8Array(3 * 65 * 32) }],
      [{ width: 64, height: 32, pixels: new Float32Array(3 * 64 * 32) }],
    ]) {
      const train = { ...data.train, load: async () => loaded as never }
      await expect(make({ ...data, train })).rejects.toMatchObject({ kind: 'data', where: 'seven.png' })
    }
    const train = { ...data.train, length: 2 }
    expect(() => detectionBatches(data, train, 1, 'in order')).toThrow(
      'a scene for each of 2 images, but there are 1',
    )
  })
})
