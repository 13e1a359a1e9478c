import { join } from 'node:path'
import { kindOf } from '../../files/disk.ts'
import { openRegularFile } from '../../files/regular-file.ts'
import { roleOf, type SplitName } from '../split-names.ts'
import { listFolder } from './folder-listing.ts'

/** A folder of annotations and the one of their images, which may be the same. */
export interface VocPlace {
  readonly annotations: string
  readonly images: string
}

/** Where annotations and images of a data set in Pascal VOC's format are. */
export interface VocFiles {
  readonly places: ReadonlyMap<SplitName | 'all', VocPlace>
  /** `ImageSets/Main`, whose lists divide the images of `all`. */
  readonly sets: string | undefined
}

/** The files of a folder in Pascal VOC's format: as the devkit has it, or with XML files next to images, in folders of splits or not. */
export async function findVocFiles(root: string): Promise<VocFiles | undefined> {
  const { folders } = await listFolder(root, root)
  const places = new Map<SplitName | 'all', VocPlace>()
  const whole = await placeIn(root, root)
  if (whole !== undefined) {
    const sets = join(root, 'ImageSets', 'Main')
    const hasSets = kindOf(sets) === 'folder'
    for (const name of hasSets ? [] : (await listFolder(whole.annotations, root)).folders) {
      const [role, annotations] = [roleOf(name), join(whole.annotations, name)]
      const images = [join(whole.images, name), whole.images].find(path => kindOf(path) === 'folder')!
      if (role !== undefined && (await holdsXml(annotations, root))) places.set(role, { annotations, images })
    }
    if (places.size === 0) places.set('all', whole)
    return { places, sets: hasSets ? sets : undefined }
  }
  for (const name of folders) {
    const role = roleOf(name)
    const place = role === undefined ? undefined : await placeIn(join(root, name), root)
    if (place !== undefined) places.set(role!, place)
  }
  return places.size === 0 ? undefined : { places, sets: undefined }
}

async function placeIn(folder: string, root: string): Promise<VocPlace | undefined> {
  const { folders } = await listFolder(folder, root)
  const images = folders.find(name => /^(jpegimages|images?|imgs?)$/i.test(name))
  const annotations = folders.find(name => /^(annotations?|xmls?|labels)$/i.test(name))
  if (annotations !== undefined) {
    const path = join(folder, annotations)
    const inside = (await listFolder(path, root)).folders.filter(
      name => roleOf(name) !== undefined || /^xmls?$/i.test(name),
    )
    const place = images === undefined ? folder : join(folder, images)
    for (const own of [path, ...inside.map(name => join(path, name))])
      if (await holdsXml(own, root)) return { annotations: own.endsWith('xmls') ? own : path, images: place }
  }
  return (await holdsXml(folder, root)) ? { annotations: folder, images: folder } : undefined
}

async function holdsXml(folder: string, root: string): Promise<boolean> {
  const { files } = await listFolder(folder, root)
  const first = files.find(name => /\.xml$/i.test(name))
  if (first === undefined) return false
  try {
    const file = await openRegularFile(join(folder, first))
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(4096), 0, 4096, 0)
      return /<annotation[\s>]|<!DOCTYPE|<!ENTITY/i.test(buffer.toString('latin1', 0, bytesRead))
    } finally {
      await file.close()
    }
  } catch {
    return false
  }
}
