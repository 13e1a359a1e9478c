import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { bundleForBrowser } from './in-browser/modules.ts'

/** Packages that are JavaScript alone. */
const portable = ['@bufbuild/protobuf', 'fastest-levenshtein', 'zod']

/** What a browser does not have of what a bundle imports. */
async function missingInBrowsers(source: string): Promise<string[]> {
  const { refused, packages } = await bundleForBrowser(source)
  const others = packages.filter(edge => !portable.some(name => `${edge}/`.includes(` -> ${name}/`)))
  return [...others, ...refused]
}

describe('exports for browsers', () => {
  it.each(['graph', 'nn', 'moe', 'models', 'step'])(
    'moiety/%s imports nothing from Node and no native module, directly or indirectly',
    async name => {
      expect(await missingInBrowsers(`src/${name}/index.ts`)).toEqual([])
    },
  )

  it('would be found to import from Node or a native module: what decodes images and the engine do', async () => {
    const found = await missingInBrowsers('src/data/index.ts')
    expect(found).toContain('src/data/image.ts -> sharp')
    expect(found).toContain('src/data/content-identity.ts -> node:crypto')
    expect(await missingInBrowsers('src/runtime/worker.ts')).toContain(
      'src/runtime/onnxruntime.ts -> node:module',
    )
  })

  it('compile in a program with a DOM and without types of Node', () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')
    const project = fileURLToPath(new URL('in-browser/tsconfig.json', import.meta.url))
    const compile = () => execFileSync(process.execPath, [tsc, '-p', project], { encoding: 'utf8' })
    expect(compile()).toBe('')
  })
})
