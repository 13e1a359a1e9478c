import { basename, resolve } from 'node:path'
import { contentIdentity } from '../content-identity.ts'
import { type Limit, loadOf, type OnProgress } from '../dataset.ts'
import { openImages } from '../decoded-images.ts'
import { namesWithin } from '../names-within.ts'
import { photographs } from '../photographs.ts'
import type { CacheOptions } from '../pixels/cache-options.ts'
import { statesOf } from '../pixels/image-states.ts'
import { type SplitName, splitNames, titleCounts } from '../split-names.ts'
import { findLabelFiles } from '../tables/find-label-files.ts'
import { type LabelledRow, leftOutColumns, readLabelFiles } from '../tables/label-file.ts'
import { leftOutPrefixes, locateImages } from '../tables/locate-images.ts'
import { splitByLabels, spreadOverLabels } from './label-splits.ts'
import type { MultiLabelDataset, MultiLabelSplit } from './multi-label-dataset.ts'

/** Options of images with several labels. */
export interface MultiLabelOptions extends CacheOptions {
  /** A labels file, or a folder with one, or with one for each split. */
  readonly directory: string
  /** Height and width of the resized images, in pixels. Default: 32. */
  readonly size?: number | undefined
  /** Policy for images that are missing or unreadable: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** At most this many images of each split, spread evenly over the classes; others are not looked for. */
  readonly limit?: Limit | undefined
  /** Whether links may lead out of the folder. Default: false. */
  readonly followLinks?: boolean | undefined
  /** Seed of the test split if the file names no splits. Default: 0. */
  readonly seed?: number | undefined
  /** Most bytes of decoded pixels kept in memory where they are not cached; beyond it images are decoded whenever they are needed. */
  readonly memory?: number
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
  const { sources, root } = findLabelFiles(directory)
  const { classes, images, read, leftOut } = await readLabelFiles(sources)
  const all = splitsOf(images, classes.length, seed)
  const chosen = splitNames.map(name => {
    const most = (name === 'train' ? limit?.train : limit?.test) ?? Number.POSITIVE_INFINITY
    return spreadOverLabels(all[name] ?? [], classes.length, most)
  })
  const found = await Promise.all(chosen.map(one => locateImages(one, { ...options, root, unreadable })))
  const located = found.map(one => one.images)
  const every = located.flat()
  const states = await statesOf(every, progress)
  const content = await contentIdentity(every, states, progress)
  const { cache, cacheLimit } = options
  const title = `${basename(resolve(directory))} at ${size}×${size}`
  const { load, skipped, notices } = await openImages(
    every,
    { size, unreadable, memory, cache, cacheLimit, content, states, title },
    progress,
  )
  const left = new Set(skipped.map(({ path }) => path))
  const [train, val, test] = located.map((own, i) => {
    const from = located.slice(0, i).reduce((total, { length }) => total + length, 0)
    const places = own.flatMap(({ path }, place) => (left.has(path) ? [] : [from + place]))
    const names = namesWithin(
      directory,
      places.map(place => every[place]!),
    )
    return { ...splitOf(every, places, load, classes.length), names }
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
    content,
    skipped: [...found.flatMap(({ missing }) => missing), ...skipped].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    ),
    notices: [
      `labels are from ${read}; any number an image`,
      ...leftOutColumns(leftOut),
      ...leftOutPrefixes(found.flatMap(({ prefixes }) => prefixes)),
      ...notices,
      ...splitNames.flatMap(name => emptyClasses(name, used[name], classes)),
    ],
  }
}

function splitsOf(
  images: readonly LabelledRow[],
  classes: number,
  seed: number,
): BySplit<readonly LabelledRow[]> {
  if (images[0]?.split === undefined) return { ...splitByLabels(images, classes, seed), val: undefined }
  const [train, val, test] = splitNames.map(name => {
    const own = images.filter(({ split }) => split === name)
    return own.length === 0 ? undefined : own
  })
  return { train, val, test }
}

function splitOf(
  images: readonly LabelledRow[],
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
