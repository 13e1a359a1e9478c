import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { scheduleAt } from '../optim/index.ts'
import { resolveConfig } from './config.ts'
import { chooseParameters, combinations, parseRecipe, recipeConfig, showChoices } from './recipe.ts'
import { loadRecipe, recipeNames } from './recipe-files.ts'

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

const paper = await loadRecipe('paper-cifar100')
const paperConfig = (...choices: string[]) => recipeConfig(paper, chooseParameters(paper, choices))

describe('the recipes that come with Moiety', async () => {
  it.each(await recipeNames())('%s resolves with every combination of its parameters', async name => {
    const recipe = await loadRecipe(name)
    expect(recipe.name).toBe(name)
    const all = combinations(recipe)
    expect(all.length).toBeGreaterThan(0)
    for (const choices of all) {
      const config = recipeConfig(recipe, choices)
      expect(resolveConfig(JSON.parse(JSON.stringify(config)), 'again')).toEqual(config)
      expect(chooseParameters(recipe, showChoices(choices).split(',').filter(Boolean))).toEqual(choices)
    }
    expect(new Set(all.map(choices => JSON.stringify(recipeConfig(recipe, choices)))).size).toBe(all.length)
  })
})

describe('paper-cifar100', () => {
  it("has the paper's 48 configurations of the grid, each with three seeds 144 runs", () => {
    const grid = combinations(paper).filter(
      choices =>
        ['block', 'resblock'].includes(String(choices.get('network'))) &&
        choices.get('k') !== 4 &&
        choices.get('gate') !== 'conv-gap-fc',
    )
    // {Residual, Default} × {importance, KL} and Residual × {relative, mean}, each × E {4, 10} × positions 1–4.
    expect(grid).toHaveLength((2 * 2 + 2) * 2 * 4)
  })

  it("is the paper's protocol in all that does not vary", () => {
    for (const choices of combinations(paper)) {
      const { model, optimizer, augmentation, training, data } = paperConfig(
        ...[...choices].map(([name, value]) => `${name}=${value}`),
      )
      expect(data.name).toBe('cifar100')
      expect(model).toMatchObject({ name: 'resnet18', stem: 'cifar', width: 64 })
      expect(optimizer).toMatchObject({ name: 'adam', betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 })
      expect(augmentation).toMatchObject({
        flip: 0.5,
        jitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3 },
        crop: { padding: 4, mode: 'zero' },
      })
      expect(training).toMatchObject({ batch: 128, labelSmoothing: 0, clipNorm: null, replicas: 1 })
      expect(training.epochs).toBe(choices.get('network') === 'conv' ? 180 : 150)
      for (const layer of model.moe)
        expect(layer).toMatchObject({
          style: choices.get('network'),
          position: choices.get('position'),
          experts: choices.get('experts'),
          k: choices.get('k') ?? 2,
          gate: choices.get('gate') ?? 'gap-fc',
          weighting: 'softmax-after-top-k',
        })
    }
  })

  it('lowers the rate after epochs 80 and 119, for the baseline after 60 and 99', () => {
    const rateOf = (choices: string[], epoch: number) => {
      const { schedule, optimizer, training } = paperConfig(...choices)
      return scheduleAt(schedule, optimizer, {
        step: epoch * 391,
        stepsPerEpoch: 391,
        epochs: training.epochs,
      })
    }
    for (const [epoch, rate] of [
      [80, 1e-3],
      [81, 1e-4],
      [119, 1e-4],
      [120, 1e-5],
    ] as const)
      expect(rateOf([], epoch)).toBeCloseTo(rate, 12)
    for (const [epoch, rate] of [
      [60, 1e-3],
      [61, 1e-4],
      [99, 1e-4],
      [100, 1e-5],
    ] as const)
      expect(rateOf(['network=baseline'], epoch)).toBeCloseTo(rate, 12)
    for (const [epoch, rate] of [
      [100, 1e-3],
      [101, 1e-4],
      [149, 1e-4],
      [150, 1e-5],
    ] as const)
      expect(rateOf(['network=conv'], epoch)).toBeCloseTo(rate, 12)
    expect(rateOf(['gate=conv-gap-fc'], 7)).toBeCloseTo(1e-5 + 4.95e-5 * 7, 15)
    expect(rateOf(['gate=conv-gap-fc', 'constraint=mean'], 7)).toBeCloseTo(4.5e-5 * 8, 15)
  })

  it('has the constraints with the strengths of the final runs', () => {
    const constraint = (...choices: string[]) => paperConfig(...choices).model.moe[0]?.constraint
    expect(constraint('constraint=kl')).toEqual({ name: 'kl', weight: 0.5, lift: null })
    expect(constraint('constraint=relative')).toEqual({ name: 'relative', threshold: 0.5, lift: null })
    expect(constraint('constraint=mean', 'experts=10')).toEqual({ name: 'mean', threshold: 0.3, lift: null })
    expect(constraint('network=conv')).toEqual({ name: 'importance', weight: 0.1, lift: null })
  })

  it('has no mixture-of-experts layer in the baseline', () => {
    expect(paperConfig('network=baseline').model.moe).toEqual([])
  })
})

describe('chooseParameters', () => {
  it('suggests the nearest parameter and value', async () => {
    const choose = (text: string) => refusal(() => chooseParameters(paper, [text]))
    expect(await choose('constrain=kl')).toContain('did you mean constraint?')
    expect(await choose('constraint=importence')).toContain('did you mean constraint=importance?')
    expect(await choose('experts=5')).toContain('experts is 4 or 10, came "5"')
    expect(await choose('experts')).toContain('came ""')
    expect(await choose('__proto__=1')).toContain('no parameter "__proto__"')
  })

  it('has the single-layer run with the mean constraint, whose threshold was 0.1, and only where it was published', () => {
    const single = (position: number, experts: number) =>
      paperConfig('network=conv', 'constraint=mean', `position=${position}`, `experts=${experts}`)
    expect(single(0, 10).model.moe[0]).toMatchObject({
      position: 0,
      style: 'conv',
      experts: 10,
      constraint: { name: 'mean', threshold: 0.1 },
    })
    expect(single(0, 10)).toMatchObject({ training: { epochs: 180 }, schedule: { milestones: [101, 150] } })
    expect(() => single(1, 10)).toThrow('position 0 with 10 experts')
    expect(() => single(0, 4)).toThrow('position 0 with 10 experts')
  })

  it('refuses a parameter that does not apply and a combination that the recipe lacks', async () => {
    const choose = (...texts: string[]) => refusal(() => chooseParameters(paper, texts))
    expect(await choose('network=baseline', 'experts=10')).toContain('experts means nothing here')
    expect(await choose('gate=conv-gap-fc', 'position=2')).toContain('for position 4')
    expect(await choose('network=block', 'constraint=mean')).toContain(
      'hard constraints in ResBlock-MoE only',
    )
    expect(await choose('position=0')).toContain('single-layer')
  })

  it('types values as the recipe has them', () => {
    expect(chooseParameters(paper, ['experts=10', 'position=3']).get('experts')).toBe(10)
  })
})

describe('recipeConfig', () => {
  it('applies --set after the parameters', () => {
    const config = recipeConfig(paper, chooseParameters(paper, []), [
      'model.moe.0.experts=6',
      'training.epochs=2',
    ])
    expect([config.model.moe[0]?.experts, config.training.epochs]).toEqual([6, 2])
  })
})

describe('a recipe of a user', () => {
  it('needs only config', () => {
    const recipe = parseRecipe({ config: { seed: 7 } }, 'somewhere/My first Recipe (2).json')
    expect(recipe).toMatchObject({
      name: 'my-first-recipe-2',
      title: 'my-first-recipe-2',
      description: '',
      parameters: {},
      reached: null,
    })
    expect(recipeConfig(recipe, chooseParameters(recipe, [])).seed).toBe(7)
    expect(parseRecipe({ name: 'mine', config: {} }, '…').title).toBe('mine')
    expect(parseRecipe({ config: {} }, '/…/.json').name).toBe('json')
    expect(parseRecipe({ config: {} }, '/…/日本.json').name).toBe('recipe')
  })

  it('without config, or with a key that recipes do not have, is refused', async () => {
    expect(await refusal(async () => parseRecipe({ seed: 1 }, 'a.json'))).toContain('{"config": {…}}')
    expect(await refusal(async () => parseRecipe([], 'a.json'))).toContain('not a recipe')
  })

  it('is refused if a key is there twice, values are nested without end, or a key would change an object', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'moiety-recipe-'))
    const file = join(folder, 'mine.json')
    try {
      await writeFile(file, '{"config": {"__proto__": {"seed": 1}}}')
      expect(await refusal(() => loadRecipe(file))).toContain('has the key "__proto__", which is not allowed')
      await writeFile(file, '{"config": {"training": {"epochs": 1,\n "epochs": 2}}}')
      const twice = await refusal(() => loadRecipe(file))
      expect(twice).toContain('the key "epochs" twice in one object, in lines 1 and 2')
      expect(twice).toContain(`${file}, line 2`)
      await writeFile(file, `{"config": {"model": ${'['.repeat(50_000)}${']'.repeat(50_000)}}}`)
      expect(await refusal(() => loadRecipe(file))).toContain('nested too deep')
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('loadRecipe', () => {
  it('suggests the nearest recipe', async () => {
    expect(await refusal(() => loadRecipe('paper-cifar10'))).toContain('did you mean paper-cifar100?')
    expect(await refusal(() => loadRecipe('zzzzzzzz'))).toContain(
      'the recipes are cifar100-medium, cifar100-small',
    )
  })

  it('reads a file of yours, and says what is wrong with it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'moiety-recipe-'))
    const file = join(folder, 'mine.json')
    try {
      expect(await refusal(() => loadRecipe(file))).toContain('there is no such file')
      await writeFile(file, '{')
      expect(await refusal(() => loadRecipe(file))).toContain('not JSON')
      await writeFile(file, '{"name": "mine"}')
      expect(await refusal(() => loadRecipe(file))).toContain('not a recipe')
      const mine = { name: 'mine', title: 'Mine', description: 'A try.', config: { seed: 3 }, reached: null }
      await writeFile(file, JSON.stringify(mine))
      const recipe = await loadRecipe(file)
      expect(recipeConfig(recipe, chooseParameters(recipe, [])).seed).toBe(3)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('names the path of a mistake in a case of a recipe', async () => {
    const recipe = parseRecipe(
      {
        name: 'broken',
        title: 'Broken',
        description: 'Sets a key that is not there.',
        parameters: { size: { description: 'how large', values: [1], default: 1 } },
        config: {},
        cases: [{ when: { size: [1] }, set: { 'model.widht': '$size' } }],
        reached: null,
      },
      'test',
    )
    expect(await refusal(() => recipeConfig(recipe, chooseParameters(recipe, [])))).toContain(
      'did you mean model.width?',
    )
  })
})
