import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { pathInside, staysWithin } from '../../files/path-inside.ts'
import { contentIdentity } from '../content-identity.ts'
import { type Limit, loadOf, type OnProgress, type SkippedFile } from '../dataset.ts'
import { type LabelledFile, openImages, photographs } from '../decoded-images.ts'
import { type SplitName, splitNames, titleCounts } from '../split-names.ts'
import { findLabelFile } from './find-labels.ts'
import { type LabelledImage, readLabelFile } from './label-file.ts'
import { splitByLabels, spreadOverLabels } from './label-splits.ts'
import type { MultiLabelDataset, MultiLabelSplit } from './multi-label-dataset.ts'

/** Options of images with several labels. */
export interface MultiLabelOptions {
  /** A labels file, or a folder with `labels.csv`, `labels.json` or `labels.jsonl`. */
  readonly directory: string
  /** Height and width of the resized images, in pixels. Default: 32. */
  readonly size?: number | undefined
  /** Policy for images that are missing or unreadable: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** At most this many images of each split, spread evenly over the classes; others are not looked for. */
  readonly limit?: Limit | undefined
  /** Seed of the test split if the file names no splits. Default: 0. */
  readonly seed?: number | undefined
  /** Most bytes of decoded pixels kept in memory; beyond it images are decoded on demand. */
  readonly memory?: number
}

interface Located extends LabelledFile {
  readonly labels: readonly number[]
}

/** Images of each split; undefined for one that the data does not have. */
type BySplit<T> = Readonly<Record<SplitName, T | undefined>>

/**
 * Images with several labels each, from a labels file; its paths are relative to its folder. Where it names no splits, a fifth of
 * the images is for testing.
 *
 * @throws MoietyError `data` for a labels file that is missing or malformed, an image that is missing or cannot be read under
 *   `stop`, or a path or link that leads out of the folder; `usage` for an impossible size
 */
export async function openMultiLabel(
  options: MultiLabelOptions,
  progress?: OnProgress,
): Promise<MultiLabelDataset> {
  const { directory, size = 32, unreadable = 'stop', limit, seed = 0, memory } = options
  const file = findLabelFile(directory)
  const { classes, images } = await readLabelFile(file)
  const all = splitsOf(images, classes.length, seed)
  const chosen = splitNames.map(name => {
    const most = (name === 'train' ? limit?.train : limit?.test) ?? Number.POSITIVE_INFINITY
    return spreadOverLabels(all[name] ?? [], classes.length, most)
  })
  const missing: SkippedFile[] = []
  const root = await realpath(dirname(file))
  const located = await Promise.all(chosen.map(one => locate(one, root, unreadable, missing)))
  const every = located.flat()
  const paths = every.map(({ path }) => path)
  const { load, skipped } = await openImages(paths, { size, unreadable, memory }, progress)
  const left = new Set(skipped.map(({ path }) => path))
  const [train, val, test] = located.map((own, i) => {
    const from = located.slice(0, i).reduce((total, { length }) => total + length, 0)
    const places = own.flatMap(({ path }, place) => (left.has(path) ? [] : [from + place]))
    return splitOf(every, places, load, classes.length)
  })
  const used = { train: train!, val: all.val && val, test: test! }
  const counts = titleCounts({ train: all.train ?? [], val: all.val, test: all.test ?? [] }, limit, used)
  return {
    name: 'multi-label',
    title: `labelled images of ${basename(resolve(directory))}: ${classes.length} class${classes.length === 1 ? '' : 'es'}, ${counts}`,
    size,
    classes,
    superclasses: undefined,
    superclassOf: undefined,
    ...photographs,
    ...used,
    content: await contentIdentity(every),
    skipped: [...missing, ...skipped].sort((a, b) => (a.path < b.path ? -1 : 1)),
    notices: splitNames.flatMap(name => emptyClasses(name, used[name], classes)),
  }
}

function splitsOf(
  images: readonly LabelledImage[],
  classes: number,
  seed: number,
): BySplit<readonly LabelledImage[]> {
  if (images[0]?.split === undefined) return { ...splitByLabels(images, classes, seed), val: undefined }
  const [train, val, test] = splitNames.map(name => {
    const own = images.filter(({ split }) => split === name)
    return own.length === 0 ? undefined : own
  })
  return { train, val, test }
}

/** Number of files looked for concurrently. */
const concurrency = 64

/** Finds the files of images; those that are missing are named, under `skip`. */
async function locate(
  images: readonly LabelledImage[],
  root: string,
  unreadable: 'stop' | 'skip',
  missing: SkippedFile[],
): Promise<Located[]> {
  const located: Located[] = []
  for (let first = 0; first < images.length; first += concurrency) {
    const group = images.slice(first, first + concurrency)
    for (const found of await Promise.all(group.map(image => locateOne(image, root)))) {
      if ('bytes' in found) located.push(found)
      else if (unreadable === 'skip') missing.push({ path: found.path, reason: found.reason })
      else stopAt(found)
    }
  }
  return located
}

interface Missing extends SkippedFile {
  readonly where: string
}

async function locateOne({ path, labels, where }: LabelledImage, root: string): Promise<Located | Missing> {
  const whole = pathInside(root, path, where)
  try {
    const found = await stat(whole)
    if (!(await staysWithin(whole, root))) refuseLink(whole, where)
    if (found.isFile()) return { path: whole, labels, label: labels, bytes: found.size }
    return { path: whole, reason: 'it is no file', where }
  } catch (cause) {
    if (!(cause instanceof Error) || !('code' in cause)) throw cause
    rethrowExhausted(cause, 'look at', whole)
    return { path: whole, reason: reasonOf(cause), where }
  }
}

function refuseLink(path: string, where: string): never {
  return fail({
    kind: 'data',
    message: `expected images in the folder of the labels, found a link that leads out of it: ${path}`,
    where,
    help: 'copy the file into the folder, or put the labels file where the images are',
  })
}

function stopAt({ path, reason, where }: Missing): never {
  return fail({
    kind: 'data',
    message: `expected the image ${path}, which cannot be opened: ${reason}`,
    where,
    help: 'paths are relative to the folder of the labels file; correct them, or skip such images with --set data.unreadable=skip',
  })
}

function splitOf(
  images: readonly Located[],
  places: readonly number[],
  load: MultiLabelSplit['load'],
  classes: number,
): MultiLabelSplit {
  const targets = new Uint8Array(places.length * classes)
  for (const [row, place] of places.entries())
    for (const label of images[place]!.labels) targets[row * classes + label] = 1
  return { length: places.length, load: loadOf({ load }, Uint32Array.from(places)), targets }
}

/** Reports classes that no image of a split shows. */
function emptyClasses(
  split: SplitName,
  images: MultiLabelSplit | undefined,
  classes: readonly string[],
): readonly string[] {
  if (images === undefined || images.length === 0) return []
  const seen = new Set<number>()
  for (const [at, target] of images.targets.entries()) if (target === 1) seen.add(at % classes.length)
  const empty = classes.filter((_, label) => !seen.has(label))
  if (empty.length === 0) return []
  const names = `${empty.slice(0, 5).join(', ')}${empty.length > 5 ? ` and ${empty.length - 5} more` : ''}`
  const effect = split === 'train' ? 'which are not learned' : 'which are not measured there'
  return [
    `classes that no image of the ${split} split shows, ${effect}: ${names} (${empty.length} of ${classes.length})`,
  ]
}
