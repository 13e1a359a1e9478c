import { readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { globSync, isDynamicPattern } from 'tinyglobby'
import { fail } from '../base/errors.ts'
import { imageEndings, isImageName } from '../data/image-names.ts'
import { isJunkFile } from '../data/junk-files.ts'
import { kindOf, reasonOf, rethrowExhausted } from '../files/disk.ts'

/**
 * The images that paths stand for, each once: files as they are; in the place of a folder the files in it that end like images, by
 * name, without junk and without those of its folders; in the place of a pattern (`photos/**`, `*.{jpg,png}`) the files that match
 * and end like images, or all that match where none does. What exists by its name is no pattern.
 *
 * @throws MoietyError `data` for a folder or pattern without an image, or a folder that cannot be listed
 */
export function imageFiles(paths: readonly string[]): string[] {
  const files = paths.flatMap(path => {
    const kind = kindOf(path)
    if (kind === 'folder') return imagesIn(path)
    return kind === undefined && isDynamicPattern(path) ? imagesLike(path) : [path]
  })
  return [...new Map(files.map(file => [resolve(file), file])).values()]
}

function imagesLike(pattern: string): string[] {
  // A backslash is an escape in patterns, and on Windows the separator of what people type.
  const asked = process.platform === 'win32' ? pattern.replaceAll('\\', '/') : pattern
  const matches = globSync(asked, { expandDirectories: false }).filter(
    file => !isJunkFile(basename(file), 'file'),
  )
  const images = matches.filter(isImageName)
  if (matches.length > 0) return (images.length > 0 ? images : matches).sort()
  return fail({
    kind: 'data',
    message: 'expected images, got a pattern that no file matches',
    where: pattern,
    help: '* stands for part of a name, ** for folders in folders, {jpg,png} for one of these; upper and lower case differ',
  })
}

function imagesIn(folder: string): string[] {
  const names = listing(folder)
    .filter(name => isImageName(name) && !isJunkFile(name, 'file'))
    .sort()
  if (names.length > 0) return names.map(name => join(folder, name))
  return fail({
    kind: 'data',
    message: `expected images in the folder, got no file that ends in ${imageEndings.map(ending => `.${ending}`).join(', ')}`,
    where: folder,
    help: `give the folder that holds the images themselves, their files, or "${join(folder, '**')}" for all in its folders`,
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
      message: `expected a folder that can be listed, got: ${reasonOf(cause)}`,
      where: folder,
      help: 'check its permissions',
      cause,
    })
  }
}
