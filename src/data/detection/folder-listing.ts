import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { staysWithin } from '../../files/path-inside.ts'
import { isJunkFile } from '../junk-files.ts'

/** Names in a folder without junk, sorted by code units. */
export interface FolderListing {
  readonly folders: readonly string[]
  readonly files: readonly string[]
}

const empty: FolderListing = { folders: [], files: [] }

/** Endings of names of images. Whether the decoder knows the format is seen when one is decoded. */
const imageName = /\.(jpe?g|jfif|png|webp|avif|tiff?|gif|bmp)$/i

export function isImageName(name: string): boolean {
  return imageName.test(name)
}

/**
 * Lists a folder; one that is missing is empty. Links are followed if they stay within `root`; other entries are left out.
 *
 * @param root - a real path
 */
export async function listFolder(folder: string, root: string): Promise<FolderListing> {
  if (folder !== root && !(await staysWithin(folder, root))) return empty
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    rethrowExhausted(cause, 'list', folder)
    return []
  })
  const folders: string[] = []
  const files: string[] = []
  for (const entry of entries) {
    let isFolder = entry.isDirectory()
    let isFile = entry.isFile()
    if (entry.isSymbolicLink()) {
      const path = join(folder, entry.name)
      // Links to folders are found by listing them; one that leaves the folder is reported when it is used.
      isFolder = await isListable(path)
      isFile = !isFolder
    }
    if (isFolder && !isJunkFile(entry.name, 'folder')) folders.push(entry.name)
    if (isFile && !isJunkFile(entry.name, 'file')) files.push(entry.name)
  }
  return { folders: folders.sort(), files: files.sort() }
}

async function isListable(path: string): Promise<boolean> {
  return await readdir(path).then(
    () => true,
    () => false,
  )
}

/** Deeper folders than any tool writes are not looked into. */
const deepest = 8

/**
 * Paths of all images in a folder and below it, relative to it, with `/`, sorted.
 *
 * @param root - the folder that links may not leave, a real path
 */
export async function imagesBelow(folder: string, root: string): Promise<readonly string[]> {
  const images: string[] = []
  const visit = async (path: string, prefix: string, depth: number): Promise<void> => {
    const { folders, files } = await listFolder(path, root)
    for (const name of files) if (isImageName(name)) images.push(prefix + name)
    if (depth === deepest) return
    for (const name of folders) await visit(join(path, name), `${prefix}${name}/`, depth + 1)
  }
  await visit(folder, '', 0)
  return images.sort()
}

/** A folder's real path. @throws MoietyError of kind `data` for one that cannot be opened */
export async function rootOf(directory: string): Promise<string> {
  return await realpath(directory).catch((cause: unknown) => {
    rethrowExhausted(cause, 'open', directory)
    return fail({
      kind: 'data',
      message: `expected a folder of images with boxes, found none that can be opened: ${reasonOf(cause)}`,
      where: directory,
      help: 'docs/guide/detection-data.md shows the layouts',
      cause,
    })
  })
}

/** @throws MoietyError of kind `data` for a link that leaves the folder */
export async function refuseLeaving(path: string, root: string): Promise<void> {
  if (path === root || (await staysWithin(path, root))) return
  fail({
    kind: 'data',
    message: `expected links that stay within ${root}, got one that leaves it`,
    where: path,
    help: 'move the files into the folder, or give the folder that they are in',
  })
}
