import { Application, TSConfigReader, TypeDocReader } from 'typedoc'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../docs/configuration.ts'

describe('the reference of the configuration', () => {
  it('is what the schema says; npm run docs writes it anew', async () => {
    await expect(configurationReference()).toMatchFileSnapshot('../docs/configuration.md')
  })
})

describe('the API reference', () => {
  it('knows every type that a public function names, and has words for everything public', async () => {
    const options = { entryPointStrategy: 'resolve', logLevel: 'Warn' } as const
    const app = await Application.bootstrap(options, [new TypeDocReader(), new TSConfigReader()])
    const project = await app.convert()
    expect(project).toBeDefined()
    app.validate(project!)
    expect(app.logger.warningCount + app.logger.errorCount).toBe(0)
  })
})
