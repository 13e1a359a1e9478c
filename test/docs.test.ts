import { existsSync, readFileSync } from 'node:fs'
import { Application, TSConfigReader, TypeDocReader } from 'typedoc'
import { describe, expect, it } from 'vitest'
import { fileOutside, repositoryBase } from '../docs/.vitepress/repository-links.ts'
import { sidebar } from '../docs/.vitepress/sidebar.ts'
import { cliReference } from '../docs/cli.ts'
import { configurationReference } from '../docs/configuration.ts'
import { fieldsReference } from '../docs/fields.ts'
import { exitCodes } from '../src/base/errors.ts'
import { fieldsOf, jsonSchema, schemaNames } from '../src/cli/json-schemas.ts'
import { allMarkdown, anchorsOf, targetsOf } from './markdown.ts'

const root = new URL('..', import.meta.url)
/** Links within the repository that lead nowhere. */
function deadLinks(page: string, text: string): string[] {
  return targetsOf(text).filter(target => {
    if (/^(https?|mailto):/.test(target)) return false
    const url = new URL(target, new URL(page, root))
    const { hash } = url
    url.hash = ''
    if (!existsSync(url)) return true
    if (hash === '' || !url.pathname.endsWith('.md')) return false
    return !anchorsOf(readFileSync(url, 'utf8')).has(decodeURIComponent(hash.slice(1)))
  })
}

describe('the pages', () => {
  it.each(allMarkdown)('%s points only to files and headings that are there', page => {
    expect(deadLinks(page, readFileSync(new URL(page, root), 'utf8'))).toEqual([])
  })

  it('would be found to have dead links, anchors and pictures', () => {
    const text = [
      '[a](#moiety) [b](#there) [c](docs/results.md#results) [d](docs/results.md#none) [e](none.md "title") ![f](none.svg)',
      '[g][ref] `[h](code.md)` [i](https://example.com/none)',
      '<picture><source srcset="none-dark.webp 2x, README.md"><img src="none-light.webp"></picture>',
      '',
      '[ref]: none/ref.md',
    ].join('\n')
    const dead = [
      '#there',
      'docs/results.md#none',
      'none.md',
      'none.svg',
      'none/ref.md',
      'none-dark.webp',
      'none-light.webp',
    ]
    expect(deadLinks('README.md', text).sort()).toEqual(dead.sort())
  })

  it('are all found in the sidebar of the site, once', () => {
    const links = sidebar().flatMap(({ items }) => items.map(({ link }) => link.replace(/\/$/, '/index')))
    const site = allMarkdown.filter(page => page.startsWith('docs/') && page !== 'docs/index.md')
    expect(links.map(link => `docs${link}.md`).sort()).toEqual([...site].sort())
  })

  it('README.md is read in two minutes: it has fewer than 1,200 words', () => {
    const words = readFileSync(new URL('README.md', root), 'utf8').match(/\S+/g)!
    expect(words.length).toBeLessThan(1200)
  })

  it('docs/index.md, the home page, leads to pages and pictures that are there', () => {
    const text = readFileSync(new URL('docs/index.md', root), 'utf8')
    const links = [...text.matchAll(/(?:link|light|dark): (\/[\w./-]*)/g)].map(match => match[1]!)
    expect(links.length).toBeGreaterThan(6)
    const missing = links.filter(
      link =>
        !existsSync(new URL(`docs${link.replace(/\/$/, '/index')}.md`, root)) &&
        !existsSync(new URL(`docs/public${link}`, root)),
    )
    expect(missing).toEqual([])
  })
})

describe('the reference of the configuration', () => {
  it('is what the schema says; npm run docs:update writes it', async () => {
    await expect(configurationReference()).toMatchFileSnapshot('../docs/reference/configuration.md')
  })
})

describe('the reference of the command line', () => {
  it('is what the commands say; npm run docs:update writes it', async () => {
    await expect(cliReference()).toMatchFileSnapshot('../docs/reference/cli.md')
  })
})

describe('the reference of fields', () => {
  it('is what the schemas say; npm run docs:update writes it', async () => {
    await expect(fieldsReference()).toMatchFileSnapshot('../docs/reference/fields.md')
  })

  it.each(schemaNames)(
    'schemas/%s.schema.json is what the code reads; npm run docs:update writes it',
    async name => {
      const text = `${JSON.stringify(jsonSchema(name), null, 1)}\n`
      await expect(text).toMatchFileSnapshot(`../schemas/${name}.schema.json`)
    },
  )

  it('says of every field what it means', () => {
    const without = schemaNames.flatMap(name =>
      fieldsOf(jsonSchema(name), [name]).filter(({ schema }) => typeof schema.description !== 'string'),
    )
    expect(without.map(({ path }) => path.join('.'))).toEqual([])
  })
})

describe('the page of exit codes', () => {
  it('has every code that an error ends a command with', () => {
    const text = readFileSync(new URL('docs/reference/exit-codes.md', root), 'utf8')
    const documented = [...text.matchAll(/^\| (\d+) \|/gm)].map(match => Number(match[1]))
    expect(documented).toEqual([0, 1, ...Object.values(exitCodes), 6])
  })
})

describe('links from pages to files of the repository', () => {
  it('are those that lead out of the folder of the pages', () => {
    expect(fileOutside('../../src/index.ts', 'guide/gpu.md')).toBe('src/index.ts')
    expect(fileOutside('../README.md', 'results.md')).toBe('README.md')
    for (const within of [
      '../results.md',
      'weights.md#freezing',
      '#here',
      '/guide/',
      'https://example.com/../x',
    ])
      expect(fileOutside(within, 'guide/gpu.md')).toBeUndefined()
  })

  it('lead to the repository that package.json names, and to none that is a placeholder', () => {
    expect(repositoryBase({ url: 'git+https://github.com/somebody/moiety.git' })).toBe(
      'https://github.com/somebody/moiety/blob/main',
    )
    expect(repositoryBase('https://codeberg.org/somebody/moiety')).toBe(
      'https://codeberg.org/somebody/moiety/blob/main',
    )
    for (const none of [undefined, {}, { url: 'git+https://github.com/OWNER/moiety.git' }])
      expect(repositoryBase(none)).toBeUndefined()
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
