import { describe, expect, it } from 'vitest'
import type { DataFacts } from '../data/data-facts.ts'
import { fittedRecipe, suitedRecipe, type TrainingFacts, type WeightFacts } from './suited-recipe.ts'

const photographs: DataFacts = { kind: 'classes', classes: 10, images: 400, shorter: 73, longer: 93 }
const resnet18: WeightFacts = {
  ...{ name: 'resnet18', width: 64, stem: 'imagenet' },
  ...{ hasHeads: false, hasExperts: false },
}

const facts = (data: Partial<DataFacts> = {}, rest: Partial<TrainingFacts> = {}): TrainingFacts => ({
  data: { ...photographs, ...data },
  device: 'cpu',
  chosen: new Map(),
  ...rest,
})

/** A setting by its path. */
function setting(of: TrainingFacts, path: string): string | undefined {
  const found = suitedRecipe(of).settings.findLast(text => text.startsWith(`${path}=`))
  return found?.slice(path.length + 1)
}

describe('the recipe for data without one', () => {
  it('is photos for photographs, also of several labels, detect for boxes, the sample for images of 32 pixels', () => {
    expect(suitedRecipe(facts()).recipe).toBe('photos')
    expect(suitedRecipe(facts({ kind: 'labels' })).recipe).toBe('photos')
    expect(suitedRecipe(facts({ kind: 'boxes' })).recipe).toBe('detect')
    expect(suitedRecipe(facts({ shorter: 32, longer: 32 })).recipe).toBe('sample')
    expect(suitedRecipe(facts({ shorter: 41, longer: 41 })).recipe).toBe('photos')
    expect(suitedRecipe(facts({ shorter: undefined, longer: undefined })).recipe).toBe('photos')
  })

  it('leaves the sample’s recipe as it is for many images', () => {
    expect(suitedRecipe(facts({ shorter: 32, images: 50_000 })).settings).toEqual([])
    expect(setting(facts({ shorter: 32, images: 400 }), 'training.epochs')).toBe('100')
  })

  it('sees few images more often, 2000/√n times', () => {
    const epochs = (images: number) => setting(facts({ images }), 'training.epochs')
    expect([100, 400, 2500, 10_000, 1_000_000].map(epochs)).toEqual(['150', '100', '40', '20', '8'])
  })

  it('has ten steps in an epoch or more, where there are enough images, and rates in proportion', () => {
    const of = (images: number) => [
      setting(facts({ images }), 'training.batch'),
      Number(setting(facts({ images }), 'optimizer.learningRate')) /
        Number(setting(facts({ images }), 'training.batch')),
    ]
    const [, perImage] = of(400)
    expect([20, 200, 400, 700, 5000].map(images => of(images)[0])).toEqual(['8', '16', '32', '64', '128'])
    for (const images of [20, 200, 700, 5000]) expect(of(images)[1]).toBeCloseTo(perImage as number, 3)
  })

  it('takes the largest images that the files fill and ten minutes allow', () => {
    const size = (data: Partial<DataFacts>, rest: Partial<TrainingFacts> = {}) =>
      setting(facts(data, rest), 'data.size')
    expect(size({ shorter: 60 })).toBe('96')
    expect(size({ shorter: 100, images: 100 })).toBe('128')
    // Of 400 photographs of any size 224 pixels take longer; a graphics card has the time.
    expect(size({ shorter: 1000 })).toBe('128')
    expect(size({ shorter: 1000 }, { device: 'cuda' })).toBe('224')
    expect(setting(facts({ shorter: 1000 }, { device: 'cuda' }), 'model.stem')).toBe('imagenet')
    expect(size({ shorter: 1000, images: 20_000 })).toBe('96')
    expect(suitedRecipe(facts({ shorter: 1000 })).reason).toContain('larger ones would take more than 10 min')
  })

  it('fine-tunes where weights are given: fewer epochs, a lower rate, the network of the file', () => {
    const tuned = facts({ shorter: 300 }, { weights: resnet18 })
    const { settings, reason } = suitedRecipe(tuned)
    expect(setting(tuned, 'training.epochs')).toBe('20')
    expect(Number(setting(tuned, 'optimizer.learningRate'))).toBeLessThan(
      Number(setting(facts({ shorter: 300 }), 'optimizer.learningRate')),
    )
    expect(settings.some(text => /^model\.(name|stem|width)=/.test(text))).toBe(false)
    expect(settings).toContain('model.weightsPart=copies')
    expect(settings).toContain('model.moe.0.style=shared')
    expect(reason).toContain('weights are given')
    // A plain network has no experts to copy, and those of a run are there already.
    for (const other of [
      facts({}, { weights: resnet18, chosen: new Map([['network', 'plain']]) }),
      facts({}, { weights: { ...resnet18, hasExperts: true } }),
    ])
      expect(suitedRecipe(other).settings.join()).not.toContain('copies')
    const large = facts({ shorter: 300 }, { weights: { ...resnet18, name: 'resnet50' } })
    expect(setting(large, 'data.size')).toBe('96')
  })

  it('keeps the heads of a trained detector, unless mixtures are asked for', () => {
    const trained = { ...resnet18, name: 'resnet50', hasHeads: true } as const
    const boxes = { kind: 'boxes', shorter: 480, longer: 640 } as const
    expect(suitedRecipe(facts(boxes, { weights: trained })).settings).toContain('model.detector.mixture=null')
    const asked = facts(boxes, { weights: trained, chosen: new Map([['network', 'moe']]) })
    expect(suitedRecipe(asked).settings).not.toContain('model.detector.mixture=null')
    expect(setting(facts(boxes, { weights: trained }), 'data.size')).toBe('320')
    expect(setting(facts(boxes), 'data.shortest')).toBe('256')
  })
})

describe('a recipe that is named', () => {
  it('is fitted where it is for any data, and left alone otherwise', () => {
    expect(fittedRecipe('photos', facts())).toEqual(suitedRecipe(facts()))
    expect(fittedRecipe('cifar100-small', facts())).toBeUndefined()
  })
})
