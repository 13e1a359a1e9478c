import { existsSync, readFileSync } from 'node:fs'
import { Application, TSConfigReader, TypeDocReader } from 'typedoc'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../docs/configuration.ts'
import { chooseParameters, parseRecipe, recipeConfig } from '../src/config/recipe.ts'

const root = new URL('..', import.meta.url)
const pages = [
  'README.md',
  'ATTRIBUTION.md',
  'docs/how-it-works.md',
  'docs/decisions.md',
  'docs/results.md',
  'docs/export.md',
  'docs/detection.md',
  'docs/detection-data.md',
  'docs/detection-evaluation.md',
  'docs/measures.md',
  'docs/sweeps.md',
]
const textOf = (page: string) => readFileSync(new URL(page, root), 'utf8')

describe('the pages', () => {
  it.each(pages)('%s points only to files that are there', page => {
    const targets = [...textOf(page).matchAll(/\]\(([^)#]+)/g)].map(match => match[1]!)
    const here = targets.filter(target => !target.startsWith('https:'))
    expect(here.filter(target => !existsSync(new URL(target, new URL(page, root))))).toEqual([])
  })

  it('show a configuration that is one', () => {
    const shown = /```json\n(.*?)```/s.exec(textOf('README.md'))?.[1] ?? ''
    const recipe = parseRecipe(JSON.parse(shown), 'README.md')
    const { model } = recipeConfig(recipe, chooseParameters(recipe, []))
    expect(model.moe[0]).toMatchObject({ experts: 4, k: 2, constraint: { name: 'importance' } })
  })
})

describe('the reference of the configuration', () => {
  it('is what the schema says; npm run docs writes it anew', async () => {
    await expect(configurationReference()).toMatchFileSnapshot('../docs/configuration.md')
  })
})

describe('the API reference', () => {
  it('knows every type that a public function names, and has words for everything public', async () => {
    // The types are checked by tsc, before the tests.
    const options = { entryPointStrategy: 'resolve', logLevel: 'Warn', skipErrorChecking: true } as const
    const app = await Application.bootstrap(options, [new TypeDocReader(), new TSConfigReader()])
    const project = await app.convert()
    expect(project).toBeDefined()
    app.validate(project!)
    expect(app.logger.warningCount + app.logger.errorCount).toBe(0)
  })
})
