import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { roleOf, type SplitName } from '../split-names.ts'

/** Folders below a labels file's folder that are looked into. */
const mostFolders = 100

/**
 * Where the images of a labels file may lie: its folder, then the folders in it, those of the split and of usual names first, each with
 * a folder of the split in it.
 */
export function imagePlaces(folder: string, split?: SplitName): readonly string[] {
  const below = foldersOf(folder)
  const rank = (name: string): number =>
    split !== undefined && roleOf(name) === split ? 0 : usual.test(name) ? 1 : 2
  const ordered = below.toSorted((a, b) => rank(a) - rank(b)).slice(0, mostFolders)
  return [
    folder,
    ...ordered.flatMap(name => {
      const place = join(folder, name)
      const own = split === undefined || rank(name) > 1 ? [] : foldersOf(place)
      return [place, ...own.filter(each => roleOf(each) === split).map(each => join(place, each))]
    }),
  ]
}

/** Those that are certainly folders of images and not of a class: by their names. */
export function usualPlaces(folder: string): readonly string[] {
  const below = foldersOf(folder).filter(name => roleOf(name) !== undefined || usual.test(name))
  return [folder, ...below.map(name => join(folder, name))]
}

/** Whether a folder's name says that it holds images, of whatever class. */
export function isPlaceOfImages(name: string): boolean {
  return usual.test(name)
}

const usual = /^(images?|imgs?|data|jpe?gimages|photos?|pictures?)$/i

function foldersOf(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(entry => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
      .map(({ name }) => name)
      .sort()
  } catch {
    return []
  }
}
