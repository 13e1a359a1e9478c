import { basename, join } from 'node:path'
import { kindOf } from '../../files/disk.ts'
import { readRegularText, sizeLimits } from '../../files/regular-file.ts'
import { roleOf, type SplitName, splitNames } from '../split-names.ts'
import { isImageName, listFolder } from './folder-listing.ts'
import { readYoloLine } from './yolo-labels.ts'

/** Where the images of a YOLO data set are, by split. */
export interface YoloFiles {
  /** `data.yaml`, which then says where images are; or undefined. */
  readonly yaml: string | undefined
  /** A file with a name of a class in each line. */
  readonly names: string | undefined
  /** Folders and lists of images as far as the layout shows them. */
  readonly splits: ReadonlyMap<SplitName | 'all', readonly string[]>
}

/** The files of a folder in YOLO's format: with a `data.yaml`, Darknet's `obj.data`, or in one of the usual layouts. */
export async function findYoloFiles(root: string): Promise<YoloFiles | undefined> {
  const { folders, files } = await listFolder(root, root)
  const yaml = await descriptionOf(files.map(name => join(root, name)))
  const inLabels = (await listFolder(join(root, 'labels'), root)).files.map(name =>
    join(root, 'labels', name),
  )
  const names = [...files.map(name => join(root, name)), ...inLabels].find(path =>
    /^(classes\.txt|.*\.names)$/i.test(basename(path)),
  )
  const splits = (await darknetLists(root, files)) ?? (await splitsOf(root, folders))
  if (yaml === undefined && splits.size === 0) return undefined
  return { yaml, names, splits }
}

/** The YAML file that names classes and images, `data.yaml` before others. */
async function descriptionOf(paths: readonly string[]): Promise<string | undefined> {
  const candidates = paths.filter(path => /\.ya?ml$/i.test(path))
  candidates.sort((a, b) => Number(/data(set)?\.ya?ml$/i.test(b)) - Number(/data(set)?\.ya?ml$/i.test(a)))
  for (const path of candidates) {
    // Of a file that is too large the reader says so.
    const text = await readRegularText(path, sizeLimits.dataYaml).catch(() => '')
    const keys = new Set(
      Array.from(text.matchAll(/^\s*["']?(names|nc|path|train|val|test)["']?\s*:/gm), ([, key]) => key),
    )
    const isDescription = keys.size >= 2 && (keys.has('names') || keys.has('nc') || keys.has('train'))
    if (isDescription || (text === '' && basename(path) === 'data.yaml')) return path
  }
  return undefined
}

/** `train = data/train.txt` and the like, as CVAT writes them. */
async function darknetLists(
  root: string,
  files: readonly string[],
): Promise<ReadonlyMap<SplitName | 'all', readonly string[]> | undefined> {
  const file = files.find(name => /\.data$/i.test(name))
  if (file === undefined) return undefined
  const text = await readRegularText(join(root, file), sizeLimits.dataYaml).catch(() => '')
  const splits = new Map<SplitName | 'all', readonly string[]>()
  for (const [, key, value] of text.matchAll(/^\s*(\w+)\s*=\s*(.+?)\s*$/gm)) {
    const role = roleOf(key!)
    const list = join(root, basename(value!))
    if (role !== undefined && value!.endsWith('.txt') && kindOf(list) === 'file') splits.set(role, [list])
  }
  return splits.size === 0 ? undefined : splits
}

async function splitsOf(
  root: string,
  folders: readonly string[],
): Promise<ReadonlyMap<SplitName | 'all', readonly string[]>> {
  const splits = new Map<SplitName | 'all', readonly string[]>()
  const has = (path: string): boolean => kindOf(path) === 'folder'
  const images = join(root, 'images')
  const labels = join(root, 'labels')
  if (has(images) && has(labels)) {
    const { folders: inside } = await listFolder(images, root)
    for (const name of inside) {
      const role = roleOf(name)
      if (
        role !== undefined &&
        has(join(labels, name)) &&
        (await holdsLabels(join(labels, name), root, 'labels'))
      )
        splits.set(role, [join(images, name)])
    }
    if (splits.size === 0 && (await holdsLabels(labels, root, 'labels'))) splits.set('all', [images])
    if (splits.size > 0) return splits
  }
  for (const name of folders) {
    const role = roleOf(name)
    if (role === undefined) continue
    const folder = join(root, name)
    if (has(join(folder, 'images')) && (await holdsLabels(join(folder, 'labels'), root, 'labels')))
      splits.set(role, [join(folder, 'images')])
    else if (await holdsLabels(folder, root, 'next to images')) splits.set(role, [folder])
  }
  if (splits.size === 0 && (await holdsLabels(root, root, 'next to images'))) splits.set('all', [root])
  return splits
}

/** Text files that are no labels. */
const others = /^(classes|train|val|valid|test|readme.*|requirements.*|license.*|notes.*|labels?|data)\.txt$/i

/**
 * Whether a folder has label files: the first that is not empty has to be one.
 *
 * @param place - `next to images` where only texts with the name of an image count, `labels` for a folder of labels
 */
async function holdsLabels(
  folder: string,
  root: string,
  place: 'next to images' | 'labels',
): Promise<boolean> {
  const { files, folders } = await listFolder(folder, root)
  const stems = new Set(files.filter(isImageName).map(stemOf))
  const texts = files.filter(
    name => /\.txt$/i.test(name) && !others.test(name) && (place === 'labels' || stems.has(stemOf(name))),
  )
  for (const name of texts.slice(0, 100)) {
    const text = await readRegularText(join(folder, name), sizeLimits.imageLabels).catch(() => '')
    const line = text.split('\n').find(each => each.trim() !== '')
    if (line !== undefined) return readYoloLine(line, false).object !== undefined
  }
  if (texts.length > 0) return true
  // Labels of images in folders of their own.
  for (const name of place === 'labels' ? folders.slice(0, 5) : [])
    if (await holdsLabels(join(folder, name), root, 'labels')) return true
  return false
}

/** A file's name without its last ending. */
export function stemOf(name: string): string {
  return name.replace(/\.[^.]*$/, '')
}

/** Splits in their order, or what has none. */
export function orderedSplits<T>(
  splits: ReadonlyMap<SplitName | 'all', T>,
): readonly (readonly [SplitName | 'all', T])[] {
  return ([...splitNames, 'all'] as const).flatMap(role => {
    const split = splits.get(role)
    return split === undefined ? [] : [[role, split] as const]
  })
}
