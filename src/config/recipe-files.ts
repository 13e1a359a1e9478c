import { readdir } from 'node:fs/promises'
import { basename, dirname, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from '../base/errors.ts'
import { codeOf, reasonOf, rethrowExhausted } from '../files/disk.ts'
import { mistakeIn, mistakeInWords } from '../files/json-text.ts'
import { readRegularText, sizeLimits } from '../files/regular-file.ts'
import { parseRecipe, type Recipe } from './recipe.ts'
import { nearest } from './shape.ts'
import { loadComponents } from './use.ts'

/** Where the recipes of this package lie; the same from `src/run` and `dist/run`. */
const folder = fileURLToPath(new URL('../../recipes/', import.meta.url))

/** The names of the recipes that come with Moiety. */
export async function recipeNames(): Promise<string[]> {
  const files = await readdir(folder)
  return files.flatMap(file => (file.endsWith('.json') ? [basename(file, '.json')] : [])).sort()
}

/**
 * The recipe of that name, or of that file when the text is a path (has a slash or ends in `.json`).
 *
 * A recipe that says `use` has its components loaded, which runs their code.
 *
 * @throws MoietyError of kind `usage`; for an unknown name it suggests the nearest
 */
export async function loadRecipe(nameOrFile: string): Promise<Recipe> {
  if (nameOrFile.includes('/') || nameOrFile.includes(sep) || nameOrFile.endsWith('.json'))
    return readRecipe(nameOrFile)
  const names = await recipeNames()
  if (names.includes(nameOrFile)) return readRecipe(`${folder}${nameOrFile}.json`)
  const guess = nearest(nameOrFile, names)
  return fail({
    kind: 'usage',
    message: `there is no recipe "${nameOrFile}"`,
    help: guess === undefined ? `the recipes are ${names.join(', ')}` : `did you mean ${guess}?`,
  })
}

async function readRecipe(path: string): Promise<Recipe> {
  const recipe = parseRecipe(await readJsonFile(path, 'recipe'), path)
  await loadComponents(recipe.use.map(file => resolve(dirname(path), file)))
  return recipe
}

/**
 * What a JSON file that a person has written holds.
 *
 * @param what - what messages call it
 * @throws MoietyError of kind `usage`, also for a file that is far too large to be one
 */
export async function readJsonFile(path: string, what: 'recipe' | 'sweep'): Promise<unknown> {
  return parseJson(await readText(path, what), path, what)
}

const unreadable: Readonly<Record<string, (what: string) => string>> = {
  ENOENT: () => 'there is no such file',
  EISDIR: what => `expected a ${what}'s file, found a folder`,
  EACCES: () => 'this file may not be read',
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readRegularText(path, what === 'recipe' ? sizeLimits.recipe : sizeLimits.sweep)
  } catch (error) {
    rethrowExhausted(error, 'read', path)
    return fail({
      kind: 'usage',
      message: unreadable[codeOf(error) ?? '']?.(what) ?? `the ${what} cannot be read: ${reasonOf(error)}`,
      where: path,
      help:
        what === 'recipe'
          ? '`moiety recipes` lists the recipes that come with Moiety'
          : 'a sweep is a file, or one of those that come with Moiety, such as small/cifar100',
      cause: error,
    })
  }
}

function parseJson(text: string, path: string, what: string): unknown {
  let content: unknown
  try {
    // Some editors begin a file with a byte order mark, which JSON does not know.
    content = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    return fail({
      kind: 'usage',
      message: `the ${what} is not JSON: ${error instanceof Error ? error.message : String(error)}`,
      where: path,
      help: 'compare it with the files in recipes/',
      cause: error,
    })
  }
  const mistake = mistakeIn(text)
  if (mistake === undefined) return content
  return fail({
    kind: 'usage',
    message: `the ${what} ${mistakeInWords(mistake)}`,
    where: `${path}, line ${mistake.line}`,
    help: mistake.kind === 'depth' ? 'compare it with the files in recipes/' : 'remove one of them',
  })
}
