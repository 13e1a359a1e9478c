import { basename, dirname, join, relative } from 'node:path'
import { kindOf } from '../../files/disk.ts'
import { openRegularFile } from '../../files/regular-file.ts'
import { roleOf, type SplitName, splitNames } from '../split-names.ts'
import { listFolder } from './folder-listing.ts'

/** Annotation files of one family, as `instances_*2017.json`: of each split, or one without a split. */
export interface CocoFiles {
  /** The name with `*` for the split, relative to the folder. */
  readonly pattern: string
  readonly files: ReadonlyMap<SplitName | 'all', string>
  /** Whether the names say nothing of COCO, so that only the beginnings of the files are like it. */
  readonly isGuess: boolean
  /** Patterns of other families, which are not used. */
  readonly others: readonly string[]
}

/** Words in names of annotation files next to that of a split. */
const fillers = new Set([
  ...['instances', 'instance', 'annotations', 'annotation', 'ann', 'anns', 'coco', 'labels', 'label'],
  ...[
    'result',
    'results',
    'bbox',
    'bboxes',
    'boxes',
    'detection',
    'detections',
    'default',
    'objects',
    'data',
    'dataset',
  ],
])

interface Candidate {
  readonly path: string
  readonly role: SplitName | 'all'
  readonly pattern: string
  readonly isGuess: boolean
}

/** COCO's other files, which have no boxes or those of other tasks. */
const otherTasks = /keypoints|captions|panoptic|stuff|image_info/i

/** Annotation files of a folder in COCO's format: in it, in `annotations/`, and in the folders of splits; the largest family. */
export async function findCocoFiles(root: string): Promise<CocoFiles | undefined> {
  const { folders } = await listFolder(root, root)
  const places: { readonly path: string; readonly role: SplitName | undefined }[] = [
    { path: root, role: undefined },
  ]
  for (const name of folders) {
    const path = join(root, name)
    if (/^(annotations?|labels|coco)$/i.test(name)) places.push({ path, role: undefined })
    const role = roleOf(name)
    if (role === undefined) continue
    places.push({ path, role })
    for (const inner of (await listFolder(path, root)).folders)
      if (/^(annotations?|labels)$/i.test(inner)) places.push({ path: join(path, inner), role })
  }
  const candidates: Candidate[] = []
  for (const { path, role } of places)
    for (const name of (await listFolder(path, root)).files) {
      const candidate = candidateOf(join(path, name), role, root)
      if (candidate !== undefined && (await looksLikeCoco(candidate))) candidates.push(candidate)
    }
  return largestFamily(candidates)
}

function candidateOf(path: string, folderRole: SplitName | undefined, root: string): Candidate | undefined {
  const name = basename(path)
  const stem = /^(.*)\.json(\.gz)?$/i.exec(name)?.[1]
  if (stem === undefined) return undefined
  if (otherTasks.test(stem)) return undefined
  const words = stem.split(/[^\p{L}]+/u).filter(word => word !== '' && !fillers.has(word.toLowerCase()))
  const split = (word: string): SplitName | undefined => (/^trainval$/i.test(word) ? 'train' : roleOf(word))
  const word = words.find(each => split(each) !== undefined)
  const isGuess = words.length > (word === undefined ? 0 : 1)
  const place = relative(root, dirname(path)).replaceAll('\\', '/')
  if (word === undefined) {
    const shown = folderRole === undefined ? place : place.replace(/^[^/]+/, '*')
    return { path, role: folderRole ?? 'all', pattern: shown === '' ? name : `${shown}/${name}`, isGuess }
  }
  const role = split(word)!
  if (folderRole !== undefined && role !== folderRole) return undefined
  const shown = `${place === '' ? '' : `${folderRole === undefined ? place : '*'}/`}${name.replace(word, '*')}`
  return { path, role, pattern: shown, isGuess }
}

/** The family with training annotations and the most splits; of equals the last by name, so 2017 before 2014. */
function largestFamily(all: readonly Candidate[]): CocoFiles | undefined {
  const named = all.filter(({ isGuess }) => !isGuess)
  const candidates = named.length > 0 ? named : all
  const families = new Map<string, Map<SplitName | 'all', string>>()
  for (const { path, role, pattern } of candidates) {
    const files = families.get(pattern) ?? new Map<SplitName | 'all', string>()
    // Next to a file it may have been compressed from.
    if (!files.has(role)) files.set(role, path)
    families.set(pattern, files)
  }
  const rank = (files: ReadonlyMap<SplitName | 'all', string>): number =>
    (files.has('train') ? 10 : files.has('all') ? 5 : 0) + files.size
  const [best, ...others] = [...families].sort(
    ([a, one], [b, other]) =>
      rank(other) - rank(one) ||
      Number(b.includes('instances')) - Number(a.includes('instances')) ||
      Number(a.endsWith('.gz')) - Number(b.endsWith('.gz')) ||
      (a < b ? 1 : -1),
  )
  if (best === undefined) return undefined
  const [pattern, files] = best
  const isGuess = named.length === 0
  // Which of several files is meant is not to be guessed.
  if (isGuess && others.length > 0 && !files.has('train')) return undefined
  return {
    pattern,
    files,
    isGuess,
    others: others.map(([other]) => other).filter(other => other !== `${pattern}.gz`),
  }
}

/**
 * A file in COCO's format that is given by its path, as the only one of a data set; undefined for another file.
 *
 * @param file - a real path
 * @returns with its data set's folder, which is above one that is only for annotations
 */
export async function cocoFile(
  file: string,
): Promise<{ readonly root: string; readonly files: CocoFiles } | undefined> {
  if (!/\.json(\.gz)?$/i.test(file)) return undefined
  const isPacked = /\.gz$/i.test(file)
  if (!isPacked && !(await looksLikeCoco({ path: file, isGuess: true }))) return undefined
  const near = dirname(file)
  const root = /^(annotations?|coco)$/i.test(basename(near)) ? dirname(near) : near
  const pattern = relative(root, file).replaceAll('\\', '/')
  return { root, files: { pattern, files: new Map([['all', file]]), isGuess: false, others: [] } }
}

/** Bytes of a file that are looked at. */
const beginning = 65_536

/** The first image, category or annotation. Other files of JSON have lists of these names as well, of other records. */
const firstRecord =
  /"images"\s*:\s*\[\s*\{[^}]*"file_name"|"categories"\s*:\s*\[\s*\{[^}]*"id"|"annotations"\s*:\s*\[\s*\{[^{]*"(image_id|bbox)"/

/** Whether a file begins as an annotation file does; the name does for one that says it, which may be damaged, and a compressed one. */
async function looksLikeCoco({ path, isGuess }: Pick<Candidate, 'path' | 'isGuess'>): Promise<boolean> {
  if (!isGuess && /instances|coco|annotations|\.gz$/i.test(basename(path))) return true
  try {
    const file = await openRegularFile(path)
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(beginning), 0, beginning, 0)
      const text = buffer
        .toString('utf8', 0, bytesRead)
        .replace(/^\ufeff/, '')
        .trimStart()
      return text.startsWith('{') && firstRecord.test(text)
    } finally {
      await file.close()
    }
  } catch {
    // Whoever reads it later says why it cannot be read.
    return !isGuess
  }
}

/** Folders of a data set that are looked into. */
const mostParents = 16
/** Folders in which images are looked for. */
const mostFolders = 48

/** Folders in which the images of an annotation file may be, the usual ones first. */
export async function imageFolders(
  root: string,
  file: string,
  role: SplitName | 'all',
): Promise<readonly string[]> {
  const near = dirname(file)
  const tail = /(?:^|[^a-z])((?:train|val|valid|test)[a-z-]*\d*)/i.exec(basename(file))?.[1]
  // `instances_val.json` in the folder itself: names are relative to `images`, whatever is in there.
  const isPlain = near === root && /^instances_[a-z]+\.json/i.test(basename(file))
  const found: string[] = isPlain ? [join(root, 'images')] : []
  if (tail !== undefined) found.push(join(root, tail), join(root, 'images', tail))
  if (near !== root && !/^annotations?$/i.test(basename(near)))
    found.push(near, join(near, 'images'), join(near, 'data'))
  const parents = (await listFolder(root, root)).folders.slice(0, mostParents).map(name => join(root, name))
  for (const parent of [root, ...parents]) {
    for (const name of (await listFolder(parent, root)).folders) {
      const own = roleOf(name)
      if (role === 'all' ? own === undefined : own === role)
        found.push(join(parent, name), join(parent, name, 'images'), join(parent, name, 'data'))
    }
  }
  found.push(...['images', 'data', 'JPEGImages', 'imgs', 'img', 'image'].map(name => join(root, name)), root)
  const unique = [...new Set(found)].filter(path => kindOf(path) === 'folder')
  // The usual ones are last, and never left out.
  return unique.length <= mostFolders
    ? unique
    : [...unique.slice(0, mostFolders / 2), ...unique.slice(-mostFolders / 2)]
}

/** Splits in their order, or the file that has none. */
export function orderedFiles(files: CocoFiles['files']): readonly (readonly [SplitName | 'all', string])[] {
  return ([...splitNames, 'all'] as const).flatMap(role => {
    const path = files.get(role)
    return path === undefined ? [] : [[role, path] as const]
  })
}
