import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fail } from '../../base/errors.ts'
import { isThere, reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { pathInside, staysWithin } from '../../files/path-inside.ts'
import type { CocoImage } from '../coco/annotations.ts'
import type { CocoSide } from './coco-layout.ts'

/** An image of an annotation file with all required members. */
export interface LocatedImage {
  readonly id: number
  readonly name: string
  readonly path: string
  /** In pixels, as in the annotations. */
  readonly width: number
  readonly height: number
}

/**
 * The paths of one split's images, by their names alone.
 *
 * @throws MoietyError of kind `data` for an image without a name, a width or a height; for a name that is absolute or
 *   leaves the folder; for a name that two images have
 */
export function nameImages(
  { annotations, images: folder }: CocoSide,
  images: readonly CocoImage[],
): LocatedImage[] {
  const owners = new Map<string, number>()
  return images.map(({ id, fileName, width, height }, i) => {
    const where = `${annotations}, images[${i}]`
    const member = (['file_name', 'width', 'height'] as const).find(
      each => (each === 'file_name' ? fileName : each === 'width' ? width : height) === null,
    )
    if (fileName === null || width === null || height === null) {
      return fail({
        kind: 'data',
        message: `expected the member ${member}, found none`,
        where: `${where}.${member}`,
        help: 'training needs the name and the size of every image',
      })
    }
    const path = pathInside(folder, fileName, `${where}.file_name`)
    const owner = owners.get(path)
    if (owner !== undefined) {
      fail({
        kind: 'data',
        message: `expected a file of its own, got that of the image ${owner}`,
        where: `${where}.file_name`,
        help: 'give all objects of a file to one image',
      })
    }
    owners.set(path, id)
    return { id, name: fileName, path, width, height }
  })
}

/**
 * The reasons why some images are not available, by image. Folders are listed once and no
 * file is opened, so that a hundred thousand images take a second.
 *
 * @param root - the folder that links may not leave, a real path
 */
export async function absentImages(
  images: readonly LocatedImage[],
  root: string,
): Promise<ReadonlyMap<LocatedImage, string>> {
  const folders = new Map<string, LocatedImage[]>()
  for (const image of images) {
    const folder = dirname(image.path)
    const group = folders.get(folder)
    if (group) group.push(image)
    else folders.set(folder, [image])
  }
  const absent = new Map<LocatedImage, string>()
  for (const [folder, group] of folders) {
    const entries = await listing(folder, root)
    for (const image of group) {
      const reason =
        entries === 'leaves' ? leadsOut : await absence(entries.get(basename(image.path)), image.path, root)
      if (reason !== undefined) absent.set(image, reason)
    }
  }
  return absent
}

const missing = 'missing'
const leadsOut = 'behind a link that is broken or leaves the folder'
const notFiles = 'not a file'

async function listing(folder: string, root: string): Promise<ReadonlyMap<string, Dirent> | 'leaves'> {
  if (!isThere(folder)) return new Map()
  if (!(await staysWithin(folder, root))) return 'leaves'
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    rethrowExhausted(cause, 'list', folder)
    return fail({
      kind: 'data',
      message: `expected a folder of images that can be listed, got: ${reasonOf(cause)}`,
      where: folder,
      help: 'check the permissions; it must be a folder',
      cause,
    })
  })
  return new Map(entries.map(entry => [entry.name, entry]))
}

async function absence(entry: Dirent | undefined, path: string, root: string): Promise<string | undefined> {
  if (entry === undefined) return missing
  if (entry.isFile()) return undefined
  if (!entry.isSymbolicLink()) return notFiles
  if (!(await staysWithin(path, root))) return leadsOut
  return (await stat(path)).isFile() ? undefined : notFiles
}
