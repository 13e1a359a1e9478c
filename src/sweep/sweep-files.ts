import { readdir } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fail } from '../base/errors.ts'
import type { Recipe } from '../config/recipe.ts'
import { loadRecipe, readJsonFile } from '../config/recipe-files.ts'
import { nearest } from '../config/shape.ts'
import { parseSweep, type Sweep } from './sweep-file.ts'

/** Folder of the sweeps in this package; the same from `src/sweep` and `dist/sweep`. */
const root = fileURLToPath(new URL('../../recipes/', import.meta.url))

/** A sweep with its recipe, and its name in errors. */
export interface LoadedSweep {
  readonly sweep: Sweep
  readonly recipe: Recipe
  readonly source: string
}

/** The sweeps that come with Moiety, such as `paper/cifar100`. */
export async function sweepNames(): Promise<string[]> {
  const folders = (await readdir(root, { withFileTypes: true })).filter(entry => entry.isDirectory())
  const names = folders.map(async ({ name }) => {
    const files = await readdir(join(root, name))
    return files.flatMap(file => (file.endsWith('.json') ? [`${name}/${basename(file, '.json')}`] : []))
  })
  return (await Promise.all(names)).flat().sort()
}

/**
 * The sweep of that file, or, where the text does not end in `.json`, the one of that name that comes with Moiety.
 *
 * @throws MoietyError `usage`; for an unknown name it suggests the nearest
 */
export async function loadSweep(nameOrFile: string): Promise<LoadedSweep> {
  const file = nameOrFile.endsWith('.json') ? nameOrFile : join(root, `${await known(nameOrFile)}.json`)
  const sweep = parseSweep(await readJsonFile(file, 'sweep'), nameOrFile)
  const isFile = sweep.recipe.endsWith('.json')
  const path = isFile && !isAbsolute(sweep.recipe) ? join(dirname(file), sweep.recipe) : sweep.recipe
  return { sweep, recipe: await loadRecipe(path), source: nameOrFile }
}

async function known(name: string): Promise<string> {
  const names = await sweepNames()
  if (names.includes(name)) return name
  const guess = nearest(name, names)
  return fail({
    kind: 'usage',
    message: `there is no sweep "${name}"`,
    help:
      guess === undefined
        ? `give a file that ends in .json, or one of ${names.join(', ')}`
        : `did you mean ${guess}?`,
  })
}
