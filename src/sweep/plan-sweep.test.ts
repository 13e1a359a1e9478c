import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { resolveConfig } from '../config/config.ts'
import { parseRecipe } from '../config/recipe.ts'
import { loadRecipe } from '../config/recipe-files.ts'
import { encodeSafetensors } from '../files/safetensors.ts'
import { Graph } from '../graph/index.ts'
import { Scope } from '../nn/index.ts'
import { configHash } from '../run/run-folder.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { createHasher, createPlannedCheck, identityOf } from './identity.ts'
import { planSweep, type SweepPlan } from './plan-sweep.ts'
import { parseSweep } from './sweep-file.ts'
import { loadSweep, sweepNames } from './sweep-files.ts'

const paper = await loadRecipe('paper-cifar100')
const small = await loadRecipe('cifar100-small')

/** A plan of the small recipe unless another is given. */
async function plan(fields: object, recipe = small, overrides: string[] = []): Promise<SweepPlan> {
  const content = { name: 'grid', title: 'Grid', recipe: recipe.name, seeds: [1], ...fields }
  return await planSweep({ sweep: parseSweep(content, 'grid.json'), recipe, overrides, source: 'grid.json' })
}

async function refusal(act: () => unknown): Promise<string> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    expect(error.kind).toBe('usage')
    return error.describe()
  }
  throw new Error('was accepted')
}

describe('the sweeps that come with Moiety', async () => {
  it.each(await sweepNames())('%s is a plan', async name => {
    const { sweep, recipe, source } = await loadSweep(name)
    const { runs } = await planSweep({ sweep, recipe, source })
    expect(new Set(runs.map(run => run.name)).size).toBe(runs.length)
    for (const run of runs.slice(0, 5)) expect(resolveConfig(run.config, 'again')).toEqual(run.config)
  })

  it("paper/cifar100 has the paper's 144 runs, 12 groups of 12 (METHOD.md §4.1)", async () => {
    const { sweep, recipe, source } = await loadSweep('paper/cifar100')
    const { runs } = await planSweep({ sweep, recipe, source })
    expect(runs).toHaveLength(144)
    const groups = new Map<string, number>()
    for (const { values } of runs) {
      const group = `${values.network} ${values.constraint} ${values.experts}`
      groups.set(group, (groups.get(group) ?? 0) + 1)
    }
    expect([...groups.values()]).toEqual(new Array(12).fill(12))
    expect(runs.every(({ config }) => config.model.moe[0]?.k === 2)).toBe(true)
    expect(runs.some(({ values }) => values.network === 'block' && values.constraint === 'mean')).toBe(false)
  })

  it('small/cifar100 asks the same in 20 runs', async () => {
    const { sweep, recipe, source } = await loadSweep('small/cifar100')
    const { runs, axes } = await planSweep({ sweep, recipe, source })
    expect(runs).toHaveLength(20)
    expect(axes.map(({ label }) => label)).toEqual(['constraint', 'position'])
    expect(new Set(runs.map(({ config }) => config.model.moe[0]?.experts))).toEqual(new Set([4]))
  })
})

describe('a plan', () => {
  it('is every combination with every seed, the whole grid with the first seed before the second', async () => {
    const { runs } = await plan({
      with: { constraint: ['none', 'kl'] },
      grid: { 'optimizer.learningRate': [0.1, 0.2] },
      seeds: [7, 3],
    })
    expect(runs.map(({ values, seed }) => [values.constraint, values.learningRate, seed])).toEqual([
      ['none', 0.1, 7],
      ['none', 0.2, 7],
      ['kl', 0.1, 7],
      ['kl', 0.2, 7],
      ['none', 0.1, 3],
      ['none', 0.2, 3],
      ['kl', 0.1, 3],
      ['kl', 0.2, 3],
    ])
    expect(runs[3]?.config).toMatchObject({
      seed: 7,
      optimizer: { learningRate: 0.2, nesterov: true },
      model: { moe: [{ constraint: { name: 'kl', weight: 0.5 } }] },
    })
  })

  it('goes through ranges of equal differences and of equal ratios, both ends included', async () => {
    const values = async (range: object) =>
      (await plan({ grid: { 'optimizer.learningRate': range } })).runs.map(run => run.values.learningRate)
    expect(await values({ from: 0.1, to: 0.4, steps: 4 })).toEqual([0.1, 0.2, 0.3, 0.4])
    expect(await values({ from: 0.001, to: 1, steps: 4, scale: 'log' })).toEqual([0.001, 0.01, 0.1, 1])
  })

  it('replaces model.from by what the file shows, in every run, and reads the file once', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'moiety-sweep-')), 'weights.safetensors')
    const graph = new Graph()
    const scope = Scope.root(graph, { training: false })
    const { model } = resolveConfig({ model: { name: 'resnet34', stem: 'imagenet', width: 8 } }, 'test')
    classifierOf(model, { classes: 3 })(scope, graph.input('images', 'float32', [1, 3, 32, 32]))
    writeFileSync(file, encodeSafetensors(scope.declarations.initialState(1)))
    const { runs, notes } = await plan({
      set: { 'model.from': file },
      grid: { 'optimizer.learningRate': [0.1, 0.2] },
      with: { network: 'baseline' },
    })
    expect(runs).toHaveLength(2)
    for (const { config } of runs)
      expect(config.model).toMatchObject({
        ...{ name: 'resnet34', stem: 'imagenet', width: 8, weights: file, weightsPart: 'auto' },
      })
    expect(notes).toEqual([expect.stringContaining('model.width=8')])
    const other = async () => await plan({ set: { 'model.from': file, 'model.width': 16 } })
    await expect(other()).rejects.toThrow('the weights in')
  })

  it('sets what suits the data before its own settings', async () => {
    const content = { name: 'g', title: 'G', recipe: small.name, seeds: [1], set: { 'training.batch': 7 } }
    const { runs } = await planSweep({
      sweep: parseSweep(content, 'g'),
      recipe: small,
      source: 'g',
      settingsFor: choices => [
        `training.epochs=${choices.get('constraint') === 'importance' ? 3 : 4}`,
        'training.batch=5',
      ],
    })
    expect(runs[0]?.config.training).toMatchObject({ epochs: 3, batch: 7 })
  })

  it('names a run by what differs, its seed and its hash, the same however the file is written', async () => {
    const grid = { 'optimizer.learningRate': [0.1, 0.2] }
    const [first] = (await plan({ with: { constraint: ['kl', 'none'] }, grid })).runs
    const last = (await plan({ grid, seeds: [9, 1], with: { constraint: ['none', 'kl'] } })).runs.at(-2)
    expect(first?.name).toBe(`constraint-kl-learningRate-0.1-seed-1-${first?.hash.slice(0, 8)}`)
    expect(last).toEqual(first)
    // A change would orphan all existing runs.
    expect(first?.hash).toBe(configHash(identityOf(first?.config ?? {})))
  })

  it('has names that a folder may have, whatever the values are', async () => {
    const values = ['../../x', 'a b\u0000c', '.hidden', 'é/ü', 'x'.repeat(300), `${'x'.repeat(300)}y`]
    const { runs } = await plan({ grid: { 'data.directory': values }, set: { 'data.name': 'folder' } })
    expect(new Set(runs.map(({ name }) => name)).size).toBe(values.length)
    for (const { name } of runs) expect(name).toMatch(/^[\w][\w.+-]{0,180}$/)
  })

  it('takes a data set for the same wherever it lies, a folder of images not', async () => {
    const hashes = async (name: string) =>
      await Promise.all(
        ['a', 'b'].map(
          async directory =>
            (await plan({ set: { 'data.name': name, 'data.directory': directory } })).runs[0]?.hash,
        ),
      )
    expect(new Set(await hashes('cifar100')).size).toBe(1)
    expect(new Set(await hashes('folder')).size).toBe(2)
  })

  it('knows its configuration again in a run that was trained on other threads, and no other', async () => {
    const [run] = (await plan({})).runs
    const config = run!.config
    const isPlanned = createPlannedCheck()
    expect(isPlanned(run!.hash, { ...config, engine: { ...config.engine, threads: 3 } })).toBe(true)
    expect(isPlanned(run!.hash, { ...config, training: { ...config.training, epochs: 9 } })).toBe(false)
    expect(createHasher()(config)).toBe(run!.hash)
  })

  it('leaves out a parameter that does not apply and a key of a layer that is not there', async () => {
    const { runs } = await plan({
      with: { network: ['baseline', 'resblock'], constraint: ['none', 'kl'] },
      grid: { 'model.moe.0.position': [1, 4] },
    })
    expect(runs.map(({ values }) => values)).toEqual([
      { network: 'baseline' },
      { network: 'resblock', constraint: 'none', position: 1 },
      { network: 'resblock', constraint: 'none', position: 4 },
      { network: 'resblock', constraint: 'kl', position: 1 },
      { network: 'resblock', constraint: 'kl', position: 4 },
    ])
    expect(runs[0]?.config.model.moe).toEqual([])
  })

  it('leaves out what is excluded, by value, by several, by seed, and by key or label', async () => {
    const { runs } = await plan({
      with: { constraint: ['none', 'kl', 'mean'] },
      grid: { 'model.moe.0.position': [1, 2, 4] },
      exclude: [
        { constraint: ['kl', 'mean'], position: 1 },
        { 'model.moe.0.position': 2, seed: 2 },
        { constraint: 'none', position: [2, 4] },
      ],
      seeds: [1, 2],
    })
    expect(runs.map(({ values, seed }) => `${values.constraint} ${values.position} ${seed}`)).toEqual([
      'none 1 1',
      'kl 2 1',
      'kl 4 1',
      'mean 2 1',
      'mean 4 1',
      'none 1 2',
      'kl 4 2',
      'mean 4 2',
    ])
  })
})

describe('what cannot be trained is refused before anything starts', () => {
  const tiny = parseRecipe(
    { name: 'tiny', title: 'x', description: 'x', config: {}, reached: null },
    'tiny.json',
  )
  it.each<[string, object, string | RegExp]>([
    ['K > E', { grid: { 'model.moe.0.experts': [4, 10], 'model.moe.0.k': [2, 8] } }, 'K > E'],
    ['K > E says how to leave it out', { grid: { 'model.moe.0.k': [8] } }, '"exclude": [{"k":8}]'],
    [
      'a value out of range',
      { grid: { 'model.moe.0.experts': [0] } },
      'model.moe.0.experts in grid.json with experts=0',
    ],
    ['a value of another type', { grid: { 'training.epochs': ['many'] } }, 'expected a whole number from 1'],
    ['an unknown key', { grid: { 'model.moe.0.exprts': [4] } }, 'did you mean model.moe.0.experts?'],
    ['an unknown key that is set', { set: { 'training.epoch': 4 } }, 'did you mean training.epochs?'],
    ['an unknown parameter', { with: { constrain: ['kl'] } }, 'did you mean constraint?'],
    ['an unknown value of a parameter', { with: { constraint: ['klm'] } }, 'did you mean kl?'],
    ['a key of the sweep', { gird: {} }, 'did you mean grid?'],
    ['a value twice', { grid: { 'training.epochs': [4, 4] } }, 'has the value 4 twice'],
    [
      'a training twice',
      { grid: { 'model.moe.0.gateWidth': [256] }, seeds: [1, 1] },
      'are the same training',
    ],
    [
      'the same by another name',
      { grid: { 'model.moe.0.expertWidth': [null, 45] } },
      'are the same training',
    ],
    ['a seed that is none', { seeds: [1.5] }, 'seeds.0'],
    ['no seeds', { seeds: [] }, 'a list that is not empty'],
    ['seeds in the grid', { grid: { seed: [1, 2] } }, 'seeds: [42, 43]'],
    ['an empty list', { grid: { 'training.epochs': [] } }, 'expected a list that is not empty'],
    [
      'a range of one end',
      { grid: { 'training.epochs': { from: 1, to: 1, steps: 3 } } },
      'two different ends',
    ],
    [
      'a log range to 0',
      { grid: { 'training.epochs': { from: 0, to: 1, steps: 3, scale: 'log' } } },
      'above 0',
    ],
    [
      'a range of too many',
      { grid: { 'training.epochs': { from: 1, to: 9, steps: 1e9 } } },
      'grid.training.epochs',
    ],
    [
      'too many runs',
      {
        grid: {
          'training.epochs': { from: 1, to: 1000, steps: 1000 },
          'training.batch': { from: 1, to: 1000, steps: 1000 },
        },
      },
      'at most 100000',
    ],
    ['an exclusion of nothing known', { exclude: [{ constrain: 'kl' }] }, 'does not vary in this sweep'],
    [
      'an exclusion of no value',
      { with: { constraint: ['kl', 'none'] }, exclude: [{ constraint: 'nome' }] },
      'did you mean none?',
    ],
    [
      'an exclusion of everything',
      { with: { constraint: ['kl'] }, exclude: [{ constraint: 'kl' }] },
      'no run is left',
    ],
    [
      'a baseline of no value',
      { with: { constraint: ['kl'] }, baseline: { constraint: 'none' } },
      'never none',
    ],
    [
      'an axis that applies nowhere',
      { with: { network: 'baseline' }, grid: { 'model.moe.0.k': [1] } },
      'applies to no run',
    ],
    ['a prototype', JSON.parse('{"grid": {"__proto__": [1]}}'), 'no key is called "__proto__"'],
    ['an array', [1], 'got a list'] as [string, object, string],
  ])('%s', async (_, fields, message) => {
    expect(
      await refusal(() => (Array.isArray(fields) ? parseSweep(fields, 'grid.json') : plan(fields))),
    ).toMatch(message)
  })

  it('names a combination that the recipe does not have, and how to leave it out', async () => {
    const fields = { with: { network: ['block'], constraint: ['kl', 'mean'] } }
    const told = await refusal(() => plan(fields, paper))
    expect(told).toContain('paper-cifar100 does not have network=block, constraint=mean: the paper has hard')
    expect(told).toContain('"exclude": [{"network":"block","constraint":"mean"}]')
  })

  it('says of a recipe without parameters that keys go to the grid', async () => {
    expect(await refusal(() => plan({ with: { k: [1] } }, tiny))).toContain(
      'put keys of the configuration into grid',
    )
  })
})
