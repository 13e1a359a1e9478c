import { basename, dirname, isAbsolute, resolve, sep } from 'node:path'
import { parseDocument } from 'yaml'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { isJsonObject, type Json } from '../../files/json.ts'
import { quoted } from '../../files/json-reader.ts'
import { excerpt, isTooDeep } from '../../files/json-text.ts'
import { sizeLimits } from '../../files/regular-file.ts'
import type { CocoCategory } from '../coco/annotations.ts'
import type { Problems } from '../problems.ts'
import type { SplitName } from '../split-names.ts'
import { readMarkedText } from './text-file.ts'

/** The content of a `data.yaml`. */
export interface YoloYaml {
  readonly file: string
  readonly categories: readonly CocoCategory[]
  /** Folders and `.txt` lists of images of each split, whole paths inside the folder. */
  readonly splits: ReadonlyMap<SplitName, readonly string[]>
  /** Whether labels have keypoints behind the box. */
  readonly hasKeypoints: boolean
}

/** Aliases are for anchors that repeat a list of names; more are an attack on the memory. */
const mostAliases = 100

/**
 * Reads the description of a YOLO data set, as Ultralytics defines it: `path`, `train`, `val`, `test`, `names` and `nc`.
 *
 * A split's path is relative to `path`, which is relative to the file. Where that leads out of the folder, `path` is of another
 * machine and ignored, and one leading `../` is dropped, as Ultralytics does for Roboflow's `../train/images`.
 *
 * @param root - the folder, a real path
 * @throws MoietyError of kind `data` for YAML that is damaged or too large or has too many aliases, and paths out of the folder
 */
export async function readYoloYaml(file: string, root: string, problems: Problems): Promise<YoloYaml> {
  const content = await parsed(file, problems)
  const splits = new Map<SplitName, readonly string[]>()
  const { path: base = '' } = content
  if (typeof base !== 'string') return refuse(file, 'path', 'a path', base)
  for (const [split, keys] of [
    ['train', ['train']],
    ['val', ['val', 'valid', 'validation']],
    ['test', ['test']],
  ] as const) {
    const key = keys.find(each => (content[each] ?? '') !== '')
    if (key === undefined) continue
    const given = content[key]
    const list = Array.isArray(given) ? given : [given]
    const paths = list.flatMap(value => {
      if (typeof value !== 'string' || value === '')
        return refuse(file, key, 'a path or a list of paths', value)
      const path = placeOf({ file, root, base, key, value, problems })
      if (kindOf(path) !== undefined) return [path]
      if (split === 'train') refuse(file, key, 'a folder or a list of images that exists', value)
      problems.add('absent-split', file, `${key}: ${quoted(value)}`)
      return []
    })
    if (paths.length > 0) splits.set(split, paths)
  }
  return {
    file,
    splits,
    categories: categoriesOf(content, file, problems),
    hasKeypoints: 'kpt_shape' in content,
  }
}

async function parsed(file: string, problems: Problems): Promise<{ readonly [key: string]: Json }> {
  let content: unknown
  try {
    const { text, hasMark } = await readMarkedText(file, sizeLimits.dataYaml)
    if (hasMark) problems.add('byte-order-mark', file, basename(file))
    const document = parseDocument(text, { logLevel: 'error', prettyErrors: true, schema: 'core' })
    const [error] = document.errors
    if (error !== undefined) throw error
    content = document.toJS({ maxAliasCount: mostAliases })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
    return fail({
      kind: 'data',
      message: `expected YAML that describes a YOLO data set, got: ${reason}`,
      where: file,
      help: 'write train, val, names and nc as plain values',
      cause,
    })
  }
  if (isTooDeep(content) || !isJsonObject(content))
    return fail({
      kind: 'data',
      message: `expected names and paths (train, val, names), got ${excerpt(content)}`,
      where: file,
      help: 'write train, val, names and nc as plain values',
    })
  return content
}

interface YamlPath {
  readonly file: string
  readonly root: string
  /** The value of `path`. */
  readonly base: string
  /** The key and its value. */
  readonly key: string
  readonly value: string
  readonly problems: Problems
}

function placeOf({ file, root, base, key, value, problems }: YamlPath): string {
  const near = dirname(file)
  const [from, to] = [base.replaceAll('\\', '/'), value.replaceAll('\\', '/')]
  if (to !== value) problems.add('backslashes', file, quoted(value))
  const isInside = (path: string): boolean => path === root || path.startsWith(root + sep)
  const asWritten = resolve(near, from, to)
  if (isInside(asWritten) && kindOf(asWritten) !== undefined) return asWritten
  const rest = to.replace(/^\.\.\//, '')
  const others = [
    resolve(near, to),
    ...(isAbsolute(to) ? [] : [resolve(near, from, rest), resolve(near, rest)]),
  ]
  const found = others.find(path => isInside(path) && kindOf(path) !== undefined)
  if (found !== undefined) {
    // Roboflow's files are read as Ultralytics reads them, which needs no report.
    const isUsual = from === '' && to.startsWith('../')
    if (!isUsual)
      problems.add('yaml-path', file, `${key}: ${quoted(base === '' ? value : `${base}, ${value}`)}`)
    return found
  }
  const inside = [asWritten, ...others].find(isInside)
  if (inside !== undefined) return inside
  return fail({
    kind: 'data',
    message: `expected a path inside ${root}, got ${quoted(base === '' ? value : `${value} in ${base}`)}`,
    where: `${file}, ${key}`,
    help: 'write paths relative to the folder of data.yaml, and move images and labels into it',
  })
}

/** More classes than any data set has. */
const mostClasses = 100_000

function categoriesOf(
  { names, nc }: { readonly [key: string]: Json },
  file: string,
  problems: Problems,
): readonly CocoCategory[] {
  const count = nc === undefined || nc === null ? undefined : Number(nc)
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= mostClasses))
    refuse(file, 'nc', `a number of classes from 1 to ${mostClasses}`, nc)
  if (names === undefined || names === null) {
    if (count === undefined) return refuse(file, 'names', 'the names of the classes', names)
    problems.add('unnamed-classes', file, 'class 0', count)
    return Array.from({ length: count }, (_, id) => ({ id, name: `class ${id}`, supercategory: null }))
  }
  if (typeof names !== 'object') return refuse(file, 'names', 'a list or a map of names', names)
  const categories = Object.entries(names).map(([key, name]: [string, Json]): CocoCategory => {
    const id = Number(key)
    if (!/^\d{1,9}$/.test(key)) refuse(file, `names.${key}`, 'a class number', key)
    if (typeof name === 'object') refuse(file, `names.${key}`, 'a name', name)
    return { id, name: String(name), supercategory: null }
  })
  if (categories.length === 0 || categories.length > mostClasses)
    refuse(file, 'names', 'names of classes', names)
  if (count !== undefined && count !== categories.length)
    problems.add('class-count', file, `nc ${count}, ${categories.length} names`)
  return categories
}

function refuse(file: string, key: string, expected: string, got: Json | undefined): never {
  return fail({
    kind: 'data',
    message: `expected ${expected}, got ${got === undefined ? 'none' : excerpt(got)}`,
    where: `${file}, ${key}`,
    help: 'docs.ultralytics.com/datasets/detect describes the file',
  })
}
