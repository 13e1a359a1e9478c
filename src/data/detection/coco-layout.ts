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
  /** Patterns of other families, which are not used. */
  readonly others: readonly string[]
}

/** Words in names of annotation files beside that of a split. */
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
}

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
      if (candidate !== undefined && (await looksLikeCoco(candidate.path))) candidates.push(candidate)
    }
  return largestFamily(candidates)
}

function candidateOf(path: string, folderRole: SplitName | undefined, root: string): Candidate | undefined {
  const name = basename(path)
  const stem = /^(.*)\.json(\.gz)?$/i.exec(name)?.[1]
  if (stem === undefined) return undefined
  const words = stem.split(/[^\p{L}]+/u).filter(word => word !== '' && !fillers.has(word.toLowerCase()))
  const [word] = words
  if (words.length > 1) return undefined
  const place = relative(root, dirname(path)).replaceAll('\\', '/')
  if (word === undefined) {
    const shown = folderRole === undefined ? place : place.replace(/^[^/]+/, '*')
    return { path, role: folderRole ?? 'all', pattern: shown === '' ? name : `${shown}/${name}` }
  }
  const role = /^trainval$/i.test(word) ? 'train' : roleOf(word)
  if (role === undefined || (folderRole !== undefined && role !== folderRole)) return undefined
  const shown = `${place === '' ? '' : `${folderRole === undefined ? place : '*'}/`}${name.replace(word, '*')}`
  return { path, role, pattern: shown }
}

/** The family with training annotations and the most splits; of equals the last by name, so 2017 before 2014. */
function largestFamily(candidates: readonly Candidate[]): CocoFiles | undefined {
  const families = new Map<string, Map<SplitName | 'all', string>>()
  for (const { path, role, pattern } of candidates) {
    const files = families.get(pattern) ?? new Map<SplitName | 'all', string>()
    // Beside a file it may have been compressed from.
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
  return { pattern, files, others: others.map(([other]) => other).filter(other => other !== `${pattern}.gz`) }
}

/** Bytes of a file that are looked at. */
const beginning = 4096

/** Whether a file begins as an annotation file does; the name does for one that says it, which may be damaged, and a compressed one. */
async function looksLikeCoco(path: string): Promise<boolean> {
  if (/instances|coco|\.gz$/i.test(basename(path))) return true
  try {
    const file = await openRegularFile(path)
    try {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(beginning), 0, beginning, 0)
      const text = buffer
        .toString('utf8', 0, bytesRead)
        .replace(/^\ufeff/, '')
        .trimStart()
      return text.startsWith('{') && /"(images|categories|annotations|licenses|info)"\s*:/.test(text)
    } finally {
      await file.close()
    }
  } catch {
    // Whoever reads it later says why it cannot be read.
    return true
  }
}

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
  for (const parent of [root, ...['images', 'data'].map(name => join(root, name))]) {
    const { folders } = await listFolder(parent, root)
    for (const name of folders) {
      const own = roleOf(name)
      if (role === 'all' ? parent !== root && own === undefined : own === role)
        found.push(join(parent, name), join(parent, name, 'images'), join(parent, name, 'data'))
    }
  }
  found.push(...['images', 'data', 'JPEGImages', 'imgs', 'img', 'image'].map(name => join(root, name)), root)
  return [...new Set(found)].filter(path => kindOf(path) === 'folder')
}

/** Splits in their order, or the file that has none. */
export function orderedFiles(files: CocoFiles['files']): readonly (readonly [SplitName | 'all', string])[] {
  return ([...splitNames, 'all'] as const).flatMap(role => {
    const path = files.get(role)
    return path === undefined ? [] : [[role, path] as const]
  })
}
