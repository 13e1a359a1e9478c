import { describe, expect, it } from 'vitest'
import type { ComparedLayer, ComparedRun } from '../analysis/comparison.ts'
import { resolveConfig } from '../config/config.ts'
import { configurationIdentity } from '../tasks/open-run.ts'
import { renderComparison } from './comparison-page.ts'

/** Means are over runs that differ in nothing but the seed. */
const layer: ComparedLayer = {
  name: 'layer4',
  style: 'resblock',
  constraint: 'kl',
  kind: 'soft',
  count: 4,
  k: 2,
  active: 4,
  cvImportance: 0.1,
  cvActivation: 0.1,
  bits: { class: 0.5 },
  inputBits: 1,
  byK: [0.4, 0.5, 0.5, 0.5],
  singleDrop: 0.1,
  withoutDrop: 0.05,
}
const run = (name: string, seed: number, score: number, fields: Partial<ComparedRun> = {}): ComparedRun => ({
  task: 'classification',
  run: name,
  recipe: null,
  seed,
  step: 100,
  checkpoint: 'step 100',
  isBest: false,
  configuration: 'c1',
  extensions: [],
  data: { title: 'images', identity: 'd1', images: 100 },
  measures: { top1: score, top5: 0.8 },
  score,
  parameters: 100,
  activeParameters: 100,
  multiplyAdds: 1000,
  latency: null,
  learning: [],
  seconds: 60,
  layers: [layer],
  ...fields,
})

/** Accuracies in the first table of the page, the one of configurations. */
function means(runs: readonly ComparedRun[]): string[] {
  const table = /<table.*?<\/table>/s.exec(String(renderComparison(runs)))![0]
  return [...table.matchAll(/\d+\.\d\s%(?: ± \d+\.\d)?/g)].map(([text]) => text.replaceAll(/\s/g, ' '))
}

describe('the page of runs side by side', () => {
  it('averages seeds of one configuration', () => {
    expect(means([run('a', 1, 0.4), run('b', 2, 0.42)])).toEqual(['41.0 % ± 1.4'])
  })

  it('names the runs of each line, which may differ in nothing else that the line has', () => {
    const runs = [run('a', 1, 0.4), run('b', 2, 0.4), run('larger-batch', 1, 0.4, { configuration: 'c2' })]
    const table = /<table.*?<\/table>/s.exec(String(renderComparison(runs)))![0]
    expect(table).toMatch(/a and b[\s\S]*larger-batch/)
  })

  it.each([
    ['another configuration', { configuration: 'c2' }],
    ['other data', { data: { title: 'a part of the images', identity: 'd2', images: 10 } }],
    ['another number of steps', { step: 50 }],
  ])('never averages over %s, of the same kind of constraint', (_what, fields) => {
    expect(means([run('a', 1, 0.4), run('b', 2, 0.05, fields)])).toEqual(['40.0 %', '5.0 %'])
  })
})

describe('what makes a configuration', () => {
  const identity = (fields: object = {}): string =>
    configurationIdentity(
      resolveConfig({ seed: 1, training: { epochs: 8 }, model: { width: 16 }, ...fields }, 'a test'),
    )

  it.each([
    ['epochs', { training: { epochs: 9 } }],
    ['width', { model: { width: 8 } }],
    ['weights to start from', { model: { width: 16, weights: 'other.safetensors' } }],
    ['first values', { model: { width: 16, initialisation: 'fan-out' } }],
    ['a limit of images', { data: { limit: { train: 100 } } }],
  ])('differs by %s', (_what, fields) => {
    expect(identity(fields)).not.toBe(identity())
  })

  it('is the same for another seed, folder and number of threads', () => {
    expect(identity({ seed: 2, data: { directory: 'elsewhere' }, engine: { threads: 1 } })).toBe(identity())
  })
})
