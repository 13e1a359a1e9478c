import { describe, expect, it } from 'vitest'
import { Graph } from '../graph/index.ts'
import { Scope } from '../nn/index.ts'
import { scheduleAt } from '../optim/index.ts'
import { type DetectorModelConfig, detectorOf, isDetector } from '../tasks/detection/detector-of.ts'
import { chooseParameters, combinations, recipeConfig } from './recipe.ts'
import { loadRecipe } from './recipe-files.ts'

/**
 * What the recipe `paper-retinanet` says, resolved, against METHOD.md §5.3 written out by hand: each row is one training
 * that the original code has.
 */
const recipe = await loadRecipe('paper-retinanet')
const resolved = (choices: readonly string[]) => recipeConfig(recipe, chooseParameters(recipe, choices))

/** Parts of the network, told apart by the beginnings of names. */
const early = /^(conv1|bn1|layer[123])\./
const backboneAndPyramid = /^(conv1|bn1|layer\d|fpn)\./
const nothing = /^$/
/** All but what is new in these heads. */
const outside = (heads: string) => new RegExp(`^(?!head\\.(gate|(${heads})_head)\\.)`)
const both = 'classification|regression'

interface Published {
  readonly choices: readonly string[]
  readonly batch: number
  /** The learning rate of every epoch. */
  readonly rates: readonly number[]
  readonly frozen: RegExp
  /** What is taken from the baseline. */
  readonly weights: 'backbone' | 'features' | 'trunk' | 'copies'
  /** How many mixtures there are, each with 4 experts, K = 2. */
  readonly mixtures: number
  readonly gate?: 'gap-fc' | 'relu-gap-fc'
  readonly constraint?: object
}

const times = (count: number, rate: number): number[] => new Array<number>(count).fill(rate)
/** ×1 for so many epochs, ×0.1 for so many, ×0.01 for the rest. */
const dropping = (first: number, second: number, third: number): number[] => [
  ...times(first, 1e-5),
  ...times(second, 1e-6),
  ...times(third, 1e-7),
]
const kl = (weight: number) => ({ name: 'kl', weight, lift: null })
const relative = { name: 'relative', threshold: 0.3, lift: null }

const published: Record<string, Published> = {
  'the baseline': {
    choices: ['network=baseline'],
    batch: 4,
    rates: dropping(13, 5, 2),
    frozen: nothing,
    weights: 'backbone',
    mixtures: 0,
  },
  'both heads, KL (mixed)': {
    choices: ['network=both', 'constraint=kl', 'start=frozen'],
    batch: 4,
    rates: dropping(14, 4, 2),
    frozen: outside(both),
    weights: 'trunk',
    mixtures: 2,
    gate: 'relu-gap-fc',
    constraint: kl(0.25),
  },
  'both heads, relative': {
    choices: ['network=both', 'constraint=relative', 'start=frozen'],
    batch: 4,
    rates: dropping(14, 4, 2),
    frozen: outside(both),
    weights: 'trunk',
    mixtures: 2,
    gate: 'relu-gap-fc',
    constraint: relative,
  },
  'both heads as copies, KL': {
    choices: ['network=both', 'constraint=kl', 'start=copies'],
    batch: 4,
    rates: [...times(4, 1e-6), ...times(2, 1e-7)],
    frozen: outside(both),
    weights: 'copies',
    mixtures: 2,
    gate: 'relu-gap-fc',
    constraint: kl(0.25),
  },
  'both heads as copies, relative': {
    choices: ['network=both', 'constraint=relative', 'start=copies'],
    batch: 4,
    rates: times(6, 1e-5),
    frozen: outside(both),
    weights: 'copies',
    mixtures: 2,
    gate: 'relu-gap-fc',
    constraint: relative,
  },
  'both heads, unfrozen': {
    choices: ['network=both', 'constraint=kl', 'start=unfrozen'],
    batch: 3,
    rates: dropping(14, 4, 2),
    frozen: nothing,
    weights: 'trunk',
    mixtures: 2,
    gate: 'gap-fc',
    constraint: kl(0.25),
  },
  'one gate for both heads, relative': {
    choices: ['network=shared', 'constraint=relative', 'start=frozen'],
    batch: 4,
    rates: dropping(14, 4, 2),
    frozen: outside(both),
    weights: 'trunk',
    mixtures: 1,
    gate: 'relu-gap-fc',
    constraint: relative,
  },
  'the regression head': {
    choices: ['network=regression', 'constraint=kl', 'start=frozen'],
    batch: 8,
    rates: dropping(11, 3, 2),
    frozen: outside('regression'),
    weights: 'trunk',
    mixtures: 1,
    gate: 'gap-fc',
    constraint: kl(0.5),
  },
  'the classification head': {
    choices: ['network=classification', 'constraint=kl', 'start=frozen'],
    batch: 8,
    rates: dropping(11, 3, 2),
    frozen: outside('classification'),
    weights: 'trunk',
    mixtures: 1,
    gate: 'gap-fc',
    constraint: kl(0.5),
  },
  'the last convolutions': {
    choices: ['network=last-conv', 'constraint=kl'],
    batch: 4,
    rates: dropping(14, 4, 2),
    frozen: backboneAndPyramid,
    weights: 'features',
    mixtures: 2,
    gate: 'relu-gap-fc',
    constraint: kl(0.1),
  },
  'the last stage of the backbone': {
    choices: ['network=backbone', 'constraint=kl'],
    batch: 4,
    rates: dropping(7, 2, 1),
    frozen: early,
    weights: 'copies',
    mixtures: 1,
    gate: 'relu-gap-fc',
    constraint: kl(0.1),
  },
}

/** The network that a configuration describes, on a small canvas, as a training step builds it. */
function built(model: DetectorModelConfig) {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: true })
  const images = graph.input('images', 'float32', [1, 3, 64, 64])
  const { stats } = detectorOf(model, { classes: 80 })(scope, images)
  return { declarations: scope.declarations, stats }
}

describe.each(Object.entries(published))('paper-retinanet: %s', (_name, row) => {
  const { model, training, schedule, optimizer } = resolved(row.choices)
  if (!isDetector(model)) throw new Error('expected a detector')

  it("has METHOD.md's learning rate in every epoch, its batches and its clipping", () => {
    expect(training).toMatchObject({ epochs: row.rates.length, batch: row.batch, clipNorm: 0.1 })
    expect(optimizer).toMatchObject({ name: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 })
    const [stepsPerEpoch, epochs] = [50, training.epochs]
    for (const [epoch, rate] of row.rates.entries())
      for (const step of [0, 49])
        expect(
          scheduleAt(schedule, optimizer, { step: epoch * stepsPerEpoch + step, stepsPerEpoch, epochs }) /
            rate,
          `epoch ${epoch}`,
        ).toBeCloseTo(1, 9)
  })

  it('trains what it trained, leaves the rest and all averages, and begins with what it began with', () => {
    const { declarations } = built(model)
    const learned = declarations.learned().map(({ name }) => name)
    expect(learned.length).toBeGreaterThan(170)
    expect([...declarations.frozen].sort()).toEqual(learned.filter(name => row.frozen.test(name)).sort())
    expect([...declarations.updates.keys()].filter(name => name.includes('running_'))).toEqual([])
    expect(model.weightsPart).toBe(row.weights)
    expect(model.weights).toBe(
      row.mixtures === 0 ? 'weights/resnet50.safetensors' : 'runs/paper-retinanet-baseline',
    )
  })

  it('has its gate, its constraint and no more noise than that has', () => {
    const { stats, declarations } = built(model)
    expect(stats.map(({ experts, k }) => [experts, k])).toEqual(times(row.mixtures, 0).map(() => [4, 2]))
    const layers = [...model.moe, ...(model.detector.mixture === null ? [] : [model.detector.mixture])]
    for (const { gate, constraint, weighting } of layers) {
      expect(gate).toBe(row.gate)
      expect(constraint).toEqual(row.constraint)
      expect(weighting).toBe('softmax-after-top-k')
    }
    expect(layers).toHaveLength(Math.min(row.mixtures, 1))
    const noisy = row.constraint !== undefined && row.constraint !== relative
    expect(declarations.noise.size).toBe(noisy ? row.mixtures : 0)
  })

  it("has the original's losses and first values", () => {
    expect(model).toMatchObject({ name: 'resnet50', stem: 'imagenet', width: 64 })
    expect(model.detector).toMatchObject({
      channels: 256,
      headDepth: 4,
      boxWeight: 0.25,
      scoreClamp: 1e-4,
      initialisation: 'original',
      matching: { foreground: 0.5, background: 0.4, lowQuality: false, leastSide: 1 },
      detections: { score: 0.05, iou: 0.5 },
    })
    expect(model.detector.mixture?.priorBias ?? false).toBe(false)
  })
})

describe('paper-retinanet', () => {
  it('has one data set and one size of images for all', () => {
    for (const choices of combinations(recipe)) {
      const { data, augmentation } = recipeConfig(recipe, choices)
      expect(data).toMatchObject({ name: 'coco', size: 1024, shortest: 608 })
      expect(augmentation).toMatchObject({ flip: 0.5, crop: null, jitter: null })
    }
  })

  it('has the backbone experts that are whole stages, whose weights the baseline holds', () => {
    const { model } = resolved(['network=backbone'])
    if (!isDetector(model)) throw new Error('expected a detector')
    const { declarations } = built(model)
    const shape = (name: string) => declarations.parameters.get(name)?.shape
    expect(shape('layer4.experts.3.2.conv2.weight')).toEqual([512, 512, 3, 3])
    expect(shape('layer4.experts.0.0.downsample.0.weight')).toEqual([2048, 1024, 1, 1])
    expect(shape('layer4.gate.fc.weight')).toEqual([4, 1024])
  })
})
