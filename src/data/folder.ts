import { basename, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { contentIdentity } from './content-identity.ts'
import {
  type Dataset,
  type Limit,
  type OnProgress,
  type Split,
  spreadOverClasses,
  subset,
} from './dataset.ts'
import { openImages } from './decoded-images.ts'
import { splitByFile } from './folder-split.ts'
import type { LabelledImage, LabelledImages } from './labelled/labelled-images.ts'
import { readLabelled } from './labelled/read-labelled.ts'
import { namesWithin } from './names-within.ts'
import { photographs } from './photographs.ts'
import type { CacheOptions } from './pixels/cache-options.ts'
import { statesOf } from './pixels/image-states.ts'
import { titleCounts } from './split-names.ts'

/** Options of a folder of images. */
export interface FolderOptions extends CacheOptions {
  readonly directory: string
  /** Height and width of the resized images, in pixels. Default: 32. */
  readonly size?: number | undefined
  /** Policy for unreadable images: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** Whether links may lead out of the folder. Default: false. */
  readonly followLinks?: boolean | undefined
  /** At most this many images of each split, spread evenly over the classes; others are not decoded. */
  readonly limit?: Limit | undefined
  /** Seed of the test split if the folder has none. Default: 0. */
  readonly seed?: number | undefined
  /** Most bytes of decoded pixels kept in memory where they are not cached; beyond it images are decoded whenever they are needed. */
  readonly memory?: number
}

/**
 * A folder of images of one class each, in any of the layouts that are known (see `readLabelled`). Images are decoded when they are
 * first needed (see `openImages`); under `stop` a file that is no image is found now, a damaged one during training.
 *
 * @throws MoietyError of kind `data`: the folder's shape, an unreadable image under `stop`, a class left empty
 */
export async function openFolder(options: FolderOptions, progress?: OnProgress): Promise<Dataset> {
  const { directory, size = 32, unreadable = 'stop', followLinks = false, seed = 0, memory } = options
  const found = await readLabelled(directory, { unreadable, followLinks }, progress)
  const { classes, superclasses, superclassOf } = found
  const all =
    found.val === undefined && found.test === undefined
      ? { ...splitByFile(found.train, classes.length, seed), val: undefined }
      : found
  const chosen = {
    train: chooseItems(all.train, options.limit?.train),
    val: chooseItems(all.val ?? [], options.limit?.test),
    test: chooseItems(all.test ?? [], options.limit?.test),
  }
  const every = [...chosen.train, ...chosen.val, ...chosen.test]

  const labels = Int32Array.from(every, ({ label }) => label)
  const coarse = superclassOf && labels.map(label => superclassOf[label]!)

  const states = await statesOf(every, progress)
  const content = await (found.content?.(every) ?? contentIdentity(every, states, progress))
  const { cache, cacheLimit } = options
  const title = `${basename(resolve(directory))} at ${size}×${size}`
  const { load, skipped, notices } = await openImages(
    every,
    { size, unreadable, memory, cache, cacheLimit, content, states, title },
    progress,
  )
  const names = namesWithin(directory, every)
  const whole: Split = { length: every.length, labels, coarse, load, names }
  const left = new Set(skipped.map(({ path }) => path))
  const part = (from: number, count: number): Split => {
    const places = Uint32Array.from({ length: count }, (_, i) => from + i)
    return subset(
      whole,
      places.filter(i => !left.has(every[i]!.path)),
    )
  }
  const train = part(0, chosen.train.length)
  const val = all.val && part(chosen.train.length, chosen.val.length)
  const test = part(chosen.train.length + chosen.val.length, chosen.test.length)
  const used = { train, val, test }
  const counts = titleCounts({ ...all, test: all.test ?? [] }, options.limit, used)
  checkEnough(used, found, directory)
  return {
    name: 'folder',
    title: `images of the ${found.container ?? 'folder'} ${basename(resolve(directory))}: ${classes.length} class${classes.length === 1 ? '' : 'es'}, ${counts}`,
    size,
    classes,
    superclasses,
    superclassOf,
    ...photographs,
    train,
    val,
    test,
    content,
    skipped: [...(found.skipped ?? []), ...skipped],
    notices: [
      ...found.notices,
      ...notices,
      ...(found.hasDeclaredClasses === true ? untrained(all.train, classes) : []),
      ...emptyClasses('val', all.val, classes),
      ...emptyClasses('test', all.test, classes),
    ],
  }
}

/** Reports classes that the data names and has no training image of. */
function untrained(items: readonly LabelledImage[], classes: readonly string[]): readonly string[] {
  const seen = new Set(items.map(({ label }) => label))
  const empty = classes.filter((_, label) => !seen.has(label))
  if (empty.length === 0) return []
  return [
    `classes without a training image, which are not learned: ${someOf(empty)} (${empty.length} of ${classes.length})`,
  ]
}

/** Reports classes without images in a split, regardless of a limit. */
function emptyClasses(
  split: 'val' | 'test',
  items: readonly LabelledImage[] | undefined,
  classes: readonly string[],
): readonly string[] {
  if (items === undefined) return []
  if (items.length === 0) return [`the ${split} split has no images and cannot be used for testing`]
  const seen = new Set(items.map(({ label }) => label))
  const empty = classes.filter((_, label) => !seen.has(label))
  if (empty.length === 0) return []
  return [
    `classes without an image in the ${split} split, which are not measured there: ${someOf(empty)} (${empty.length} of ${classes.length})`,
  ]
}

/** The first few of some names. */
function someOf(names: readonly string[]): string {
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
}

function chooseItems(
  items: readonly LabelledImage[],
  limit: number | null | undefined,
): readonly LabelledImage[] {
  if (limit === undefined || limit === null || limit >= items.length) return items
  const labels = Int32Array.from(items, ({ label }) => label)
  return Array.from(spreadOverClasses(labels, limit), place => items[place]!)
}

function checkEnough(
  { train, val, test }: { readonly train: Split; readonly val: Split | undefined; readonly test: Split },
  found: LabelledImages,
  directory: string,
): void {
  const { classes } = found
  const trained = new Set(train.labels)
  const isEnough = found.hasDeclaredClasses === true && trained.size > 0
  const empty = isEnough ? -1 : classes.findIndex((_, label) => !trained.has(label))
  if (empty < 0 && (val ?? test).length > 0) return
  const given = val === undefined ? found.test && 'test' : 'val'
  fail({
    kind: 'data',
    message:
      empty >= 0
        ? `expected training images of every class, the class ${classes[empty]} has none that can be used`
        : given === undefined
          ? 'expected images to test on, found too few: every class has one image only'
          : `expected ${given} images to test on, found none that can be used in the ${given} split`,
    where: directory,
    help:
      given === undefined || empty >= 0
        ? 'add images (five or more of each class), or remove the folder of the class; a limit must leave one of each'
        : 'put images into the folders of its classes, or remove the folder of the split',
  })
}
