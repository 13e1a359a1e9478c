import { readdirSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { kindOf, rethrowExhausted, systemFailure } from '../files/disk.ts'

const endings = ['.jpg', '.jpeg', '.png', '.webp']

/**
 * The images that are meant: files as they are, and in the place of a folder the files in it that end like images, by name;
 * folders in folders are passed over.
 *
 * @throws MoietyError `data` for a folder without an image, or one that cannot be listed
 */
export function imageFiles(paths: readonly string[]): string[] {
  return paths.flatMap(path => (isFolder(path) ? imagesIn(path) : [path]))
}

/**
 * Ids for images in a results file of COCO's format. Where every file's name is a number (`000000000139.jpg`) and no two
 * are the same, it is that number, as COCO names its images; otherwise images are counted from 1 in the order given.
 */
export function imageIds(paths: readonly string[]): number[] {
  const named = paths.map(path => basename(path, extname(path)))
  const numbers = named.map(name => (/^\d+$/.test(name) ? Number(name) : Number.NaN))
  const own = numbers.every(Number.isSafeInteger) && new Set(numbers).size === numbers.length
  return own ? numbers : paths.map((_, i) => i + 1)
}

function isFolder(path: string): boolean {
  return kindOf(path) === 'folder'
}

function imagesIn(folder: string): string[] {
  const names = listing(folder)
    .filter(name => endings.includes(extname(name).toLowerCase()))
    .sort()
  if (names.length > 0) return names.map(name => join(folder, name))
  return fail({
    kind: 'data',
    message: `expected images in the folder, got no file that ends in ${endings.join(', ')}`,
    where: folder,
    help: 'give the folder that holds the images themselves, or their files',
  })
}

function listing(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(entry => !entry.isDirectory())
      .map(({ name }) => name)
  } catch (cause) {
    rethrowExhausted(cause, 'list', folder)
    return fail({
      kind: 'data',
      message: `expected a folder that can be listed, got: ${systemFailure(cause)?.meaning ?? String(cause)}`,
      where: folder,
      help: 'check its permissions',
      cause,
    })
  }
}
