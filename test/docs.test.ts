import { existsSync, readFileSync } from 'node:fs'
import { Application, TSConfigReader, TypeDocReader } from 'typedoc'
import { describe, expect, it } from 'vitest'
import { configurationReference } from '../docs/configuration.ts'
import { anchorsOf, pages } from './markdown.ts'

const root = new URL('..', import.meta.url)
const texts = [...pages, 'docs/reference/configuration.md', 'ATTRIBUTION.md']

describe('the pages', () => {
  it.each(texts)('%s points only to files and headings that are there', page => {
    const targets = [...readFileSync(new URL(page, root), 'utf8').matchAll(/\]\(([^)\s]+)/g)].map(
      match => match[1]!,
    )
    const missing = targets.filter(target => {
      if (/^https?:/.test(target)) return false
      const url = new URL(target, new URL(page, root))
      const { hash } = url
      url.hash = ''
      if (!existsSync(url)) return true
      return hash !== '' && !anchorsOf(readFileSync(url, 'utf8')).has(decodeURIComponent(hash.slice(1)))
    })
    expect(missing).toEqual([])
  })
})

describe('the reference of the configuration', () => {
  it('is what the schema says; npm run docs writes it anew', async () => {
    await expect(configurationReference()).toMatchFileSnapshot('../docs/reference/configuration.md')
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
