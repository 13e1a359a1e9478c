import { describe, expect, it } from 'vitest'
import { draws } from '../../base/random.ts'
import type { RoutedLayer } from '../../tasks/routing.ts'
import { explainedBest, explainedBestWords } from '../findings.ts'
import { type Attribute, attributeOf, numeric, quantileBounds } from './attribute.ts'
import { attributesOfLayer, classSets } from './attribute-findings.ts'
import { attributedImages, testAttribute } from './attribute-tests.ts'
import { bestAttribute } from './best-attribute.ts'
import { imageAttributes, measureImage } from './image-attributes.ts'

function drained<T>(steps: Generator<number, T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}

const options = { permutations: 200, seed: 0 }

/** Each image wholly one expert's. */
const routed = (top: readonly number[], experts = 2, inputs = 1): RoutedLayer => ({
  ...{ name: 'layer4', experts, k: 1, inputs, logits: new Float32Array() },
  weights: Float32Array.from({ length: top.length * experts }, (_, at) =>
    Number(top[Math.floor(at / experts)] === at % experts),
  ),
})

const times = (count: number, ...values: number[]): number[] =>
  Array.from({ length: count }, () => values).flat()

describe('what an attribute tells about the expert', () => {
  it('is as worked out by hand: class and attribute each decide half of it', () => {
    // Of classes 0, 0, 1, 1 and attributes 0, 1, 0, 1 the experts are 0, 0, 0, 1: I(attribute; expert) = H(¼) − ½ = 0.3113,
    // given the class ½ · H(½) = ½, since in class 0 there is one expert; the same the other way round.
    const [classes, groups] = [Int32Array.from(times(20, 0, 0, 1, 1)), Int32Array.from(times(20, 0, 1, 0, 1))]
    const images = attributedImages(routed(times(20, 0, 0, 0, 1)), groups, classes)
    const found = drained(testAttribute(images, options))
    const ofAttribute = 2 - 0.75 * Math.log2(3) - 0.5
    expect(found.information.value).toBeCloseTo(ofAttribute, 12)
    expect(found.ofClass.value).toBeCloseTo(ofAttribute, 12)
    expect(found.givenClass!.value).toBeCloseTo(0.5, 12)
    expect(found.classGiven!.value).toBeCloseTo(0.5, 12)
    expect(found.byExpert.map(({ value }) => value)).toEqual(
      [0, 1].map(() => expect.closeTo(ofAttribute, 12)),
    )
    expect(found.givenLevel).toBeNull()
    for (const { p, chance } of [found.information, found.givenClass!, found.classGiven!]) {
      expect(p).toBe(1 / 201)
      expect(chance).toBeLessThan(0.05)
    }
    // The chain rule: both together tell all there is, H(¼).
    expect(found.ofClass.value + found.givenClass!.value).toBeCloseTo(2 - 0.75 * Math.log2(3), 12)
  })

  it('is nothing beyond the class where the class alone decides', () => {
    // The attribute goes with the class in 3 of 4 images.
    const classes = times(40, 0, 0, 0, 0, 1, 1, 1, 1)
    const groups = times(40, 0, 0, 0, 1, 1, 1, 1, 0)
    const images = attributedImages(routed(classes), Int32Array.from(groups), Int32Array.from(classes))
    const found = drained(testAttribute(images, options))
    expect(found.information.value).toBeCloseTo(1 - (2 - 0.75 * Math.log2(3)), 12)
    expect(found.information.p).toBe(1 / 201)
    expect(found.givenClass!.value).toBeCloseTo(0, 12)
    expect(found.givenClass!.p).toBe(1)
  })

  it('is chance where experts are drawn at random, the same each time', () => {
    const source = draws(1, 'independent')
    const drawn = (of: number): number[] => Array.from({ length: 300 }, () => source.below(of))
    const [top, groups, classes] = [drawn(2), Int32Array.from(drawn(4)), Int32Array.from(drawn(5))]
    const run = () => drained(testAttribute(attributedImages(routed(top), groups, classes), options))
    const found = run()
    for (const { p, value, chance95 } of [found.information, found.givenClass!, found.classGiven!]) {
      expect(p).toBeGreaterThan(0.05)
      expect(value).toBeLessThan(chance95)
    }
    // Miller: 3 / 2N nats by chance; given the class five times that.
    expect(found.information.chance).toBeCloseTo(3 / (600 * Math.LN2), 2)
    expect(found.givenClass!.chance).toBeGreaterThan(3 * found.information.chance)
    expect(run()).toEqual(found)
  })

  it('counts levels of an image together, and compares within a level where they go to different experts', () => {
    // Fine levels go to expert 0, coarse ones to expert 1, whatever the image; but dark images (0) have coarse ones with 0.
    const groups = times(30, 0, 1)
    const layer = {
      ...routed([], 2, 2),
      weights: Float32Array.from(groups.flatMap(group => (group === 0 ? [1, 0, 1, 0] : [1, 0, 0, 1]))),
    }
    const found = drained(
      testAttribute(attributedImages(layer, Int32Array.from(groups), new Int32Array(60)), options),
    )
    // Level 0: nothing; level 1: all of one bit.
    expect(found.givenLevel!.value).toBeCloseTo(0.5, 12)
    expect(found.givenLevel!.p).toBe(1 / 201)
    // Without the level: weights 1, 0 and ½, ½: H(¾) − ½.
    expect(found.information.value).toBeCloseTo(2 - 0.75 * Math.log2(3) - 0.5, 12)
    expect(found.givenClass!.value).toBeCloseTo(found.information.value, 12)
    expect(found.classGiven, 'one class').toBeNull()
  })
})

describe('the attribute that explains best', () => {
  const source = draws(2, 'best')
  const colour = Array.from({ length: 400 }, () => source.below(2))
  const noisy = colour.map(value => (source.below(4) === 0 ? 1 - value : value))
  const random = colour.map(() => source.below(8))
  const weights = colour.flatMap(value => (value === 0 ? [0.8, 0.2] : [0.2, 0.8]))
  const groups = [noisy, colour, random].map(values => Int32Array.from(values))

  it('is the one from which others are predicted, beyond its rivals', () => {
    const best = bestAttribute(weights, 2, [0, 1], groups)!
    expect(best).toMatchObject({ first: 1, second: 0 })
    expect(best.p).toBeLessThan(1e-4)
    // Nearly 1 − H(0.2): the leaving out costs little.
    expect(best.gain).toBeCloseTo(1 - 0.7219, 1)
  })

  it('is not named where a copy is as good, and a finer division of the same is no better', () => {
    expect(bestAttribute(weights, 2, [0], [groups[1]!, groups[1]!])!.p).toBe(1)
    const finer = Int32Array.from(colour.map((value, at) => value * 8 + (at % 8)))
    expect(bestAttribute(weights, 2, [0, 1], [finer, groups[1]!])!.first).toBe(1)
    expect(bestAttribute(weights, 2, [], groups)).toBeNull()
  })

  it('is in the findings with the groups that are beyond chance; constant attributes are not tested', async () => {
    const attribute = (name: string, of: readonly number[], names: readonly string[]): Attribute => ({
      ...{ name, source: 'given', groups: names, of: Int32Array.from(of) },
    })
    const found = await attributesOfLayer(
      { ...routed([]), weights: Float32Array.from(weights) },
      [
        attribute('same', times(400, 0), ['x']),
        attribute('noisy', noisy, ['a', 'b']),
        attribute(
          'colour',
          colour.map((value, at) => (at < 5 ? -1 : value)),
          ['red', 'green'],
        ),
      ],
      classSets([], 400),
      options,
      async steps => drained(steps),
    )
    const [same, , known] = found.attributes
    expect(same).toMatchObject({ information: null, byExpert: null, entropy: 0, counts: [400] })
    expect(known).toMatchObject({ missing: 5, classGiven: null })
    expect(known!.counts.reduce((a, b) => a + b)).toBe(395)
    expect(known!.information!.share).toBeGreaterThan(0.2)
    expect(found.attributeLeads.choice).toMatchObject({ first: 2, second: 1 })
    const best = explainedBest(found, 0)!
    expect(best.groups.map(({ name }) => name)).toEqual(['red'])
    expect(explainedBestWords(best)).toMatch(/^explained best by colour: red 1\.\d × chance$/)
  })
})

describe('groups of images', () => {
  it('are those with the same set of classes', () => {
    const item = (image: number, label: number) => ({ image, label, level: 0 })
    const items = [item(0, 2), item(0, 1), item(1, 1), item(2, 1), item(2, 2), item(2, 1)]
    expect([...classSets(items, 4)]).toEqual([0, 1, 0, 2])
  })

  it('are categories, numbers, or fifths of numbers; equal values stay together', () => {
    expect(attributeOf('a', 'given', ['b', null, 'a', true])).toMatchObject({
      groups: ['a', 'b', 'true'],
      of: Int32Array.of(1, -1, 0, 2),
    })
    expect(attributeOf('a', 'given', ['10', 9, null])).toMatchObject({
      groups: ['9', '10'],
      of: Int32Array.of(1, 0, -1),
    })
    const ten = numeric('n', 'given', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    expect([...ten.of]).toEqual([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    expect(ten.groups).toEqual(['below 2', '2 to 4', '4 to 6', '6 to 8', 'from 8'])
    expect(quantileBounds([0, 0, 0, 0, 0, 0, 1, 2, 3, 4], 5)).toEqual([1, 3])
    expect(numeric('n', 'given', [1000.1, 1000.2, 1000.3, 1000.4, 1000.5, 1000.6]).groups[0]).toBe(
      'below 1000.2',
    )
    expect(attributeOf('a', 'given', [null, null])!.groups).toEqual([])
    expect(
      attributeOf(
        'id',
        'given',
        Array.from({ length: 300 }, (_, i) => `n${i}`),
      ),
    ).toBeUndefined()
  })
})

describe('what is measured in pixels', () => {
  const planar = (width: number, height: number, colour: (x: number, y: number) => readonly number[]) => ({
    ...{ width, height },
    pixels: Uint8Array.from({ length: 3 * width * height }, (_, at) => {
      const place = at % (width * height)
      return colour(place % width, Math.floor(place / width))[Math.floor(at / (width * height))]!
    }),
  })

  it('is the mean colour, luma and frequency, worked out by hand', () => {
    const red = measureImage(planar(4, 4, () => [255, 0, 0]))
    expect(red).toMatchObject({ a: 1, b: 0, frequency: Number.NaN })
    expect(red.brightness).toBeCloseTo(0.299, 12)
    const board = measureImage(planar(6, 4, (x, y) => times(3, 255 * ((x + y) % 2))))
    expect(board.a).toBe(0)
    expect(board.brightness).toBeCloseTo(0.5, 12)
    // Every difference is 255, the standard deviation 255 / 2.
    expect(board.frequency).toBeCloseTo(Math.sqrt(8) / (2 * Math.PI), 12)
    // Stripes of two pixels: of seven differences along x three are 255.
    const stripes = measureImage(planar(8, 2, x => times(3, x % 4 < 2 ? 255 : 0)))
    expect(stripes.frequency).toBeCloseTo(Math.sqrt((4 * 3) / 7) / (2 * Math.PI), 12)
    // A wave of 32 pixels: sin(π/32)/π, nearly 1/32.
    const wave = measureImage(planar(256, 2, x => times(3, 127.5 + 127 * Math.cos((x * Math.PI) / 16))))
    expect(wave.frequency).toBeCloseTo(Math.sin(Math.PI / 32) / Math.PI, 3)
  })

  it('makes groups by thirds of chroma and sixths of hue', () => {
    const colours = [
      ...times(3, 0).map(() => [90, 90, 90]),
      ...[
        [120, 90, 90],
        [110, 110, 80],
        [90, 120, 90],
      ],
      ...[
        [255, 0, 0],
        [0, 0, 255],
        [255, 0, 255],
      ],
    ]
    const [colour, brightness, texture] = imageAttributes(
      colours.map(own => measureImage(planar(2, 2, () => own))),
    )
    expect(colour!.groups).toEqual([
      ...['grey', 'pale red', 'pale yellow', 'pale green', 'vivid red', 'vivid blue', 'vivid magenta'],
    ])
    expect([...colour!.of]).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 6])
    expect(brightness!.groups).toHaveLength(5)
    expect(texture, 'plain images have no frequency').toMatchObject({
      groups: [],
      of: new Int32Array(9).fill(-1),
    })
  })

  it('has one colour where all images are grey', () => {
    const [colour] = imageAttributes([10, 90, 200].map(v => measureImage(planar(2, 2, () => [v, v, v]))))
    expect(colour!.groups).toEqual(['grey'])
  })
})
