import { createHash } from 'node:crypto'
import { dirname, extname, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { ComponentSource } from '../base/component.ts'
import { fail, MoietyError } from '../base/errors.ts'
import { codeOf, rethrowExhausted } from '../files/disk.ts'
import { readRegularText, sizeLimits } from '../files/regular-file.ts'
import { addComponents, type Definition, definers, isDefinition, loadedFiles } from './components.ts'

/**
 * Loads files with components: runs their code, and makes every component that they export known by its name. A file that was
 * loaded before is left unchanged.
 *
 * @param files - JavaScript modules, or TypeScript where this Node runs it
 * @throws MoietyError (usage) for a file that is missing, throws, exports no component, or names one like another
 */
export async function loadComponents(files: readonly string[]): Promise<void> {
  for (const given of files) {
    const file = resolve(given)
    const source = { file, sha256: await hashOf(file) }
    if (loadedFiles().some(({ sha256 }) => sha256 === source.sha256)) continue
    if (loadedFiles().some(one => one.file === file)) refuse(file, 'its code has changed since it was loaded')
    addComponents(componentsOf(await load(source), file), source)
  }
}

const secondsToLoad = 60

async function load({ file }: ComponentSource): Promise<object> {
  const isTypeScript = ['.ts', '.mts', '.cts'].includes(extname(file))
  if (isTypeScript && !runsTypeScript())
    refuse(file, `Node ${process.versions.node} does not run TypeScript`, {
      help: 'use Node 22.18 or later, or compile it to JavaScript',
    })
  const late = new AbortController()
  try {
    const module: unknown = await Promise.race([
      import(/* @vite-ignore */ pathToFileURL(file).href),
      pause(1000 * secondsToLoad, undefined, { signal: late.signal }),
    ])
    if (typeof module === 'object' && module !== null) return module
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const isMissing = codeOf(cause) === 'ERR_MODULE_NOT_FOUND'
    refuse(file, `it cannot be loaded: ${reason}`, {
      cause,
      ...(isMissing
        ? { help: 'install what it imports, moiety among it, where Node looks from that file' }
        : {}),
    })
  } finally {
    late.abort()
  }
  return refuse(file, `it has not finished loading after ${secondsToLoad} s`)
}

function runsTypeScript(): boolean {
  const features: object = process.features
  return 'typescript' in features && features.typescript !== false
}

function componentsOf(module: object, file: string): Definition[] {
  const exported = Object.values(module).flatMap((value: unknown) => (Array.isArray(value) ? value : [value]))
  const components = [...new Set(exported.filter(isDefinition))]
  if (components.length > 0) return components
  return refuse(file, 'it exports no component', {
    help: `export what one of ${definers} returns; docs/guide/components.md has examples`,
  })
}

function refuse(
  file: string,
  why: string,
  more: { readonly help?: string; readonly cause?: unknown } = {},
): never {
  return fail({
    kind: 'usage',
    message: `components cannot be taken from this file: ${why}`,
    where: file,
    help: 'docs/guide/components.md has examples',
    ...more,
  })
}

/** The SHA-256 of a file's text, followed by those of the files that it imports by relative paths, and that they import. */
async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  const seen = new Set<string>()
  const queue = [file]
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (seen.has(next)) continue
    const text = await textOf(next, next === file)
    if (text === undefined) continue
    if (seen.size > 0) hash.update(`\0${Buffer.byteLength(text)}\0`)
    seen.add(next)
    hash.update(text)
    for (const [, , path] of text.matchAll(relativeImport)) queue.push(resolve(dirname(next), path!))
  }
  return hash.digest('hex')
}

/** `from './x.js'`, `import './x.js'`, `import('./x.js')`, `require('./x.cjs')`. */
const relativeImport = /\b(?:from|import|require)\s*\(?\s*(['"])(\.{1,2}\/[^'"\n]+)\1/g

async function textOf(file: string, isNeeded: boolean): Promise<string | undefined> {
  try {
    return await readRegularText(file, sizeLimits.code)
  } catch (cause) {
    rethrowExhausted(cause, 'read', file)
    // A path in a comment, say; what is really missing, the import says.
    if (!isNeeded) return undefined
    return refuse(
      file,
      codeOf(cause) === 'ENOENT'
        ? 'there is no such file'
        : `it cannot be read (${cause instanceof Error ? cause.message : String(cause)})`,
      { cause, help: 'give the path of a JavaScript file' },
    )
  }
}
