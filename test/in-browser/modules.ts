import { isBuiltin } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type OutputChunk, type Plugin, rolldown } from 'rolldown'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a bundle for browsers is made of. */
export interface Bundle {
  /** An ES module. */
  readonly code: string
  /** What it imports of Node and of native modules, `importer -> imported`. These imports stay in the code. */
  readonly refused: readonly string[]
  /** Imports of packages by files that are of none, `importer -> imported`. */
  readonly packages: readonly string[]
}

/**
 * Bundles a source file with all that it imports, directly or indirectly. `moiety/…` is the sources.
 *
 * @param source - relative to the repository, such as `src/graph/index.ts`
 */
export async function bundleForBrowser(source: string): Promise<Bundle> {
  const refused = new Set<string>()
  const packages = new Set<string>()
  const watch: Plugin = {
    name: 'imports',
    async resolveId(imported, importer, options) {
      if (importer === undefined) return undefined
      const subpath = /^moiety\/(\w+)$/.exec(imported)?.[1]
      if (subpath !== undefined) return `${root}src/${subpath}/index.ts`
      const edge = `${relative(root, importer)} -> ${imported}`
      const found = isBuiltin(imported) ? null : await this.resolve(imported, importer, options)
      if (found === null || found.external !== false || found.id.endsWith('.node')) {
        refused.add(edge)
        return { id: imported, external: true }
      }
      if (isOfPackage(found.id) && !isOfPackage(importer)) packages.add(edge)
      return found
    },
  }
  await using bundle = await rolldown({
    cwd: root,
    input: `${root}${source}`,
    platform: 'browser',
    logLevel: 'silent',
    plugins: [watch],
  })
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false })
  const chunk = output.find((part): part is OutputChunk => part.type === 'chunk' && part.isEntry)
  return { code: chunk!.code, refused: [...refused].sort(), packages: [...packages].sort() }
}

function isOfPackage(file: string): boolean {
  return /[\\/]node_modules[\\/]/.test(file)
}
