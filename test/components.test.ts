import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../src/base/errors.ts'
import { resolveConfig } from '../src/config/config.ts'
import { applyOverrides } from '../src/config/overrides.ts'
import { loadRecipe } from '../src/config/recipe-files.ts'
import { constraints } from '../src/moe/index.ts'
import { createHasher } from '../src/sweep/identity.ts'
import {
  addComponents,
  defineOptimizer,
  defineSchedule,
  loadComponents,
  scheduleAt,
} from '../src/train/index.ts'
import { fingerprint, newFolder, start, tinyConfig, writeRecipe, writeTinyCifar } from './tiny.ts'

/** Components of a user's own: how files with them are loaded and refused, and a training with them through the command line. */
const folder = newFolder()
const root = fileURLToPath(new URL('..', import.meta.url))
// As npm would install them next to the user's files.
mkdirSync(join(folder, 'node_modules'))
symlinkSync(root, join(folder, 'node_modules', 'moiety'), 'dir')
symlinkSync(join(root, 'node_modules', 'zod'), join(folder, 'node_modules', 'zod'), 'dir')

function write(name: string, text: string): string {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

const constraint = (name: string, more = '') => `
import { mean, mul, square } from 'moiety/graph'
import { defineConstraint } from 'moiety/moe'
import { z } from 'zod'
export const own = defineConstraint({
  name: '${name}',
  description: 'keeps logits small',
  kind: 'other',
  noise: false,
  options: { strength: z.number().min(0).default(0.25).describe('how strongly') },
  create: ({ strength }) => ({ loss: ({ logits }) => mul(mean(square(logits)), strength) }),
})
${more}`

const gate = `
import { globalAveragePool, mul, square } from 'moiety/graph'
import { defineGate } from 'moiety/moe'
import { linear } from 'moiety/nn'
import { z } from 'zod'
export default [defineGate({
  name: 'energy',
  description: 'a linear layer on the mean square',
  options: { scale: z.number().gt(0).default(1).describe('a factor') },
  create: ({ scale }) => (scope, x, experts) =>
    scope.in('fc', fc => linear(fc, mul(globalAveragePool(square(x)), scale), experts)),
})]`

const layer = (fields: object) => ({ model: { moe: [{ position: 4, ...fields }] } })
const refusal = async (act: () => unknown): Promise<MoietyError> => {
  const error: unknown = await Promise.resolve()
    .then(act)
    .then(
      () => undefined,
      (cause: unknown) => cause,
    )
  if (error instanceof MoietyError) return error
  throw error ?? new Error('it was not refused')
}

describe('a file of components', () => {
  it('makes them known by name, with defaults, checks and its hash in the configuration', async () => {
    const before = resolveConfig({}, 'test')
    const file = write('own.mjs', constraint('own'))
    expect(
      (await refusal(() => resolveConfig(layer({ constraint: { name: 'own' } }), 'test'))).message,
    ).toContain('expected one of none')
    await loadComponents([file])
    await loadComponents([file])
    const config = resolveConfig(applyOverrides(layer({}), ['model.moe.0.constraint.name=own']), 'test')
    expect(config.model.moe[0]).toMatchObject({
      noise: false,
      constraint: { name: 'own', strength: 0.25, lift: null },
    })
    expect(config.use).toEqual({ files: [file], sha256: [expect.stringMatching(/^[0-9a-f]{64}$/)] })
    expect(resolveConfig(JSON.parse(JSON.stringify(config)), 'again')).toEqual(config)
    const wrong = await refusal(() =>
      resolveConfig(layer({ constraint: { name: 'own', strength: -1 } }), 'test'),
    )
    expect(wrong).toMatchObject({
      kind: 'usage',
      message: 'expected a number from 0, came -1',
      where: 'model.moe.0.constraint.strength in test',
      help: 'how strongly',
    })
    // A configuration that names none of them is what it was.
    expect(resolveConfig({}, 'test')).toEqual(before)
    expect('use' in before).toBe(false)
  })

  it('may have gates, which are completed and checked', async () => {
    await loadComponents([write('gate.mjs', gate)])
    const gateOf = (given: unknown) => resolveConfig(layer({ gate: given }), 'test').model.moe[0]!.gate
    expect(gateOf('energy')).toEqual({ name: 'energy', scale: 1 })
    expect(gateOf({ name: 'energy', scale: 2 })).toEqual({ name: 'energy', scale: 2 })
    expect(gateOf('conv-gap-fc')).toBe('conv-gap-fc')
    expect(await refusal(() => gateOf({ name: 'energy', scale: 0 }))).toMatchObject({
      where: 'model.moe.0.gate.scale in test',
      message: 'expected a number above 0, came 0',
    })
    expect((await refusal(() => gateOf('energi'))).help).toBe('did you mean "energy"?')
  })

  it('is known by its code, also that of what it imports, and not by where it lies', async () => {
    write('part.mjs', 'export const strength = 1\n')
    const file = write('whole.mjs', constraint('whole', "import './part.mjs'"))
    await loadComponents([file])
    const config = resolveConfig(layer({ constraint: { name: 'whole' } }), 'test')
    const moved = { ...config, use: { ...config.use!, files: ['/elsewhere/whole.mjs'] } }
    expect(resolveConfig(moved, 'test').use!.files).toEqual([file])
    expect(createHasher()(moved)).toBe(createHasher()(config))
    write('part.mjs', 'export const strength = 2\n')
    expect((await refusal(() => loadComponents([file]))).message).toContain('has changed since it was loaded')
  })

  it('is asked for by the configuration, and never loaded by it', async () => {
    const use = { files: [join(folder, 'other.mjs')], sha256: ['0'.repeat(64)] }
    write('other.mjs', `globalThis.ranOther = true\n${constraint('other')}`)
    const error = await refusal(() => resolveConfig({ ...layer({}), use }, 'a run'))
    expect(error.message).toBe(`this needs components of your own, from ${use.files[0]}`)
    expect(error.help).toContain(`add --use ${use.files[0]}`)
    expect(globalThis).not.toHaveProperty('ranOther')
    const changed = await refusal(() =>
      resolveConfig({ use: { ...use, files: [join(folder, 'own.mjs')] } }, 'a run'),
    )
    expect(changed.message).toContain('is not the one that this was made with')
  })

  it.each<[string, string, string]>([
    ['throws', 'throw new Error("no such thing")', 'it cannot be loaded: no such thing'],
    ['throws what is no error', 'throw 3', 'it cannot be loaded: 3'],
    ['is no JavaScript', 'export const = 3', 'it cannot be loaded'],
    ['imports what is not there', 'import "no-such-package"', 'it cannot be loaded'],
    ['exports nothing', 'const own = 1', 'it exports no component'],
    [
      'exports other things',
      'export const own = { component: "constraint", name: "x" }',
      'it exports no component',
    ],
    ['names one like a built-in', constraint('kl'), 'there is a constraint "kl" already, of Moiety'],
    [
      'names one like another file',
      constraint('own', '// differs'),
      'there is a constraint "own" already, of',
    ],
    [
      'names two alike',
      constraint('twice', 'export const more = { ...own }'),
      'two components are called "twice"',
    ],
    [
      'defines one wrongly',
      constraint('Own Name'),
      'a name of small letters, digits and hyphens, came "Own Name"',
    ],
  ])('that %s is refused, and leaves nothing behind', async (what, text, message) => {
    const names = constraints.names()
    const error = await refusal(() => loadComponents([write(`${what.replaceAll(' ', '-')}.mjs`, text)]))
    expect(error.message).toContain(message)
    expect(error.kind).toBe('usage')
    expect(error.help).toBeTruthy()
    expect(constraints.names()).toEqual(names)
  })

  it('that is missing or a folder is refused', async () => {
    expect(await refusal(() => loadComponents([join(folder, 'missing.mjs')]))).toMatchObject({
      kind: 'usage',
      where: join(folder, 'missing.mjs'),
      message: 'components cannot be taken from this file: there is no such file',
    })
    expect((await refusal(() => loadComponents([folder]))).kind).toBe('usage')
  })

  it('is loaded by a recipe that says so, as seen from the recipe', async () => {
    write('of-recipe.mjs', constraint('of-recipe'))
    const config = layer({ constraint: { name: 'of-recipe' } })
    const file = write('with-use.json', JSON.stringify({ use: ['./of-recipe.mjs'], config }))
    const recipe = await loadRecipe(file)
    expect(resolveConfig(recipe.config, 'test').use!.files).toEqual([join(folder, 'of-recipe.mjs')])
  })
})

describe('a program', () => {
  it('may add optimizers and schedules, which configurations then name', () => {
    const schedule = defineSchedule({
      name: 'inverse-root',
      description: 'falls with the root of the step',
      options: {},
      rateAt: (_, { rate, step }) => rate / Math.sqrt(1 + step),
    })
    const optimizer = defineOptimizer({
      name: 'plain',
      description: 'gradient descent',
      learningRate: 0.5,
      options: {},
      update:
        () =>
        ({ value }) =>
          value,
    })
    addComponents([schedule, optimizer])
    const config = resolveConfig(
      { optimizer: { name: 'plain' }, schedule: { name: 'inverse-root', warmup: { epochs: 1 } } },
      'test',
    )
    expect(config.optimizer).toEqual({ name: 'plain', learningRate: 0.5, groups: null })
    expect('use' in config).toBe(false)
    const at = (step: number) =>
      scheduleAt(config.schedule, config.optimizer, { step, stepsPerEpoch: 2, epochs: 4 })
    expect([at(0), at(1), at(3)]).toEqual([0, 0.25, 0.25])
  })
})

describe('the command line', () => {
  const components = write('mine.mjs', constraint('mine'))
  const data = writeTinyCifar(join(folder, 'data'))
  const run = join(folder, 'run')
  const whole = join(folder, 'whole')
  const moiety = (...words: string[]) => start(words).ended
  const set = ['--set', 'model.moe.0.constraint.name=mine', '--set', 'schedule.name=constant']
  beforeAll(() => writeRecipe(folder, tinyConfig(data)))

  it('trains with a constraint, and resumes to the same bits', async () => {
    const words = ['train', join(folder, 'recipe.json'), ...set, '--use', components]
    const two = ['--set', 'training.epochs=2']
    expect(await moiety(...words, ...two, '--out', whole)).toMatchObject({ code: 0 })
    expect(await moiety(...words, '--set', 'training.epochs=1', '--out', run)).toMatchObject({ code: 0 })
    expect(JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')).use.files).toEqual([components])
    const refused = await moiety('train', '--resume', '--out', run, ...two)
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(`add --use ${components}`)
    expect(await moiety('train', '--resume', '--out', run, ...two, '--use', components)).toMatchObject({
      code: 0,
    })
    const weights = (path: string) => fingerprint(path).files['model.safetensors']
    expect(weights(run) === weights(whole)).toBe(true)
  })

  it('needs it for whatever looks at the run, and refuses other code', async () => {
    for (const command of ['eval', 'explain', 'export']) {
      const { code, stderr } = await moiety(command, run)
      expect([command, code, stderr.includes(`add --use ${components}`)]).toEqual([command, 2, true])
    }
    expect((await moiety('eval', run, '--use', components)).code).toBe(0)
    const other = join(folder, 'changed')
    mkdirSync(other)
    cpSync(components, join(other, 'mine.mjs'))
    // The same code elsewhere is the same.
    expect((await moiety('eval', run, '--use', join(other, 'mine.mjs'))).code).toBe(0)
    writeFileSync(join(other, 'mine.mjs'), constraint('mine', '// changed'))
    const resumed = await moiety('train', '--resume', '--out', run, '--use', join(other, 'mine.mjs'))
    expect(resumed.code).toBe(2)
    expect(resumed.stderr).toContain('is not the one that this was made with')
  })

  it('hands it to the processes of a sweep', async () => {
    const grid = { 'model.moe.0.constraint.name': ['mine', 'kl'] }
    const sweep = {
      name: 'own',
      title: 'Own',
      recipe: 'recipe.json',
      grid,
      seeds: [1],
      set: { 'training.epochs': 1 },
    }
    const file = write('own.json', JSON.stringify(sweep))
    const out = join(folder, 'sweep')
    const { code, stdout } = await moiety('sweep', file, '--out', out, '--use', components, '--no-trial')
    expect([code, stdout.includes('2 of 2 runs finished')]).toEqual([0, true])
  })

  it('says in help and with the recipe what it has', async () => {
    for (const words of [
      ['train', '--help'],
      ['recipes', 'show', join(folder, 'recipe.json'), ...set],
    ]) {
      const { stdout } = await moiety(...words, '--use', components)
      expect(stdout).toContain('constraint mine: keeps logits small')
      expect(stdout).toContain('how strongly')
    }
  })
})
