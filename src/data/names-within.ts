import { dirname, relative, resolve, sep } from 'node:path'
import { kindOf } from '../files/disk.ts'
import type { ImageFile } from './image-files.ts'

/** The paths of images relative to the folder of their data, with `/` between folders. */
export function namesWithin(directory: string, images: readonly ImageFile[]): readonly string[] {
  const home = resolve(kindOf(directory) === 'file' ? dirname(directory) : directory)
  return images.map(({ path }) => relative(home, resolve(path)).split(sep).join('/'))
}
