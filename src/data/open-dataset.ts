import { type CodeOwner, ownedFunction } from '../base/component-code.ts'
import { fail } from '../base/errors.ts'
import { isCount } from '../base/numbers.ts'
import { type ArrayData, datasetOfArrays } from './array-data.ts'
import { openCifar } from './cifar.ts'
import { datasets } from './custom-dataset.ts'
import type { DataName } from './data-names.ts'
import {
  type Dataset,
  type Limit,
  type OnProgress,
  type Split,
  spreadOverClasses,
  subset,
} from './dataset.ts'
import { openFolder } from './folder.ts'
import { needDirectory } from './missing-directory.ts'
import type { CacheOptions } from './pixels/cache-options.ts'
import { openSample } from './sample.ts'
import { usedInWords } from './split-names.ts'

/** The `data` section of a configuration; null is like undefined. */
export interface DataOptions extends CacheOptions {
  readonly name: DataName
  /** Of a data set of the user's own. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** Folder of the files; required except for the sample. */
  readonly directory?: string | null | undefined
  /** Height and width of the resized images of a folder, in pixels. Default: 32. */
  readonly size?: number | undefined
  /** Policy for unreadable images of a folder: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** Whether links may lead out of a folder of images. Default: false. */
  readonly followLinks?: boolean | undefined
  /** At most this many images of each split, spread evenly over the classes. */
  readonly limit?: Limit | undefined
  /** Seed of the test split of a folder, and of the drawing of the sample. Default: 0. */
  readonly seed?: number | undefined
  /** Cache folder of the drawn sample; see `cacheDirectory`. */
  readonly cacheDirectory?: string | undefined
}

/**
 * Opens a dataset, and checks everything that can be checked beforehand.
 *
 * @throws MoietyError of kind `data` for files that are missing, damaged or refused; `usage` for options that
 *   are missing or invalid
 */
export async function openDataset(options: DataOptions, progress?: OnProgress): Promise<Dataset> {
  checkLimit(options.limit?.train, 'train')
  checkLimit(options.limit?.test, 'test')
  return limitedTo(options.limit, await openWhole(options, progress))
}

/** A dataset with at most this many images of each split, stated in its title. */
export function limitedTo(limit: Limit | undefined, dataset: Dataset): Dataset {
  const train = limited(dataset.train, limit?.train)
  const val = dataset.val && limited(dataset.val, limit?.test)
  const test = limited(dataset.test, limit?.test)
  const used = { train, val, test }
  return { ...dataset, ...used, title: `${dataset.title}${usedInWords(dataset, used)}` }
}

async function openWhole(options: DataOptions, progress?: OnProgress): Promise<Dataset> {
  const { name, directory = null, size } = options
  const own = datasets.find(name)
  if (own !== undefined) {
    const open = own.create(options.options)
    const opened: unknown = await open({ directory, size, onProgress: progress ?? (() => undefined) })
    return checkedCustom(opened, { ...own, source: datasets.sourceOf(name) })
  }
  switch (options.name) {
    case 'cifar10':
    case 'cifar100':
      return openCifar(options.name, needDirectory(options))
    case 'sample':
      return openSample({ seed: options.seed, cacheDirectory: options.cacheDirectory }, progress)
    case 'folder':
      return openFolder({ ...options, directory: needDirectory(options) }, progress)
    case 'scenes':
    case 'coco':
    case 'boxes':
      return fail({
        kind: 'usage',
        message: `expected images of one class each, but ${options.name} has boxes`,
        where: 'data.name',
        help: 'this is for classifiers; in a program, openDetectionDataset opens it',
      })
    case 'multi-label':
      return fail({
        kind: 'usage',
        message: 'expected images of one class each, but those of multi-label have any number',
        where: 'data.name',
        help: 'this is for networks that give each image one class; in a program, openMultiLabel opens it',
      })
  }
}

/** What a user's data set opened as: JavaScript checks nothing of it. */
function checkedCustom(opened: unknown, owner: CodeOwner): Dataset {
  const { name } = owner
  if (!isOpened(opened))
    return fail({
      kind: 'data',
      message: `expected the data set "${name}" to open as { title, classes, train, test, … }, but it gave other things`,
      where: owner.source?.file ?? 'data.name',
      help: 'return arrays or a Dataset; docs/components.md has an example',
    })
  const dataset = 'mean' in opened ? opened : datasetOfArrays(opened)
  if (!isCount(dataset.size) || !isCount(dataset.train.length))
    return fail({
      kind: 'data',
      message: `expected images to train on from the data set "${name}", but there are none`,
      where: owner.source?.file ?? 'data.name',
      help: 'return at least one training image and the size of all',
    })
  const { train, val, test } = dataset
  const loading = (split: Split): Split => ({
    ...split,
    length: split.length,
    labels: split.labels,
    coarse: split.coarse,
    load: ownedFunction(indices => split.load(indices), owner),
  })
  return {
    ...dataset,
    name,
    skipped: dataset.skipped ?? [],
    train: loading(train),
    ...(val === undefined ? {} : { val: loading(val) }),
    test: loading(test),
  }
}

function isOpened(value: unknown): value is Dataset | ArrayData {
  if (typeof value !== 'object' || value === null) return false
  const { classes, train, test } = value as Partial<Dataset>
  const isObject = (one: unknown): boolean => typeof one === 'object' && one !== null
  return (
    Array.isArray(classes) &&
    classes.length > 0 &&
    classes.every(one => typeof one === 'string') &&
    isObject(train) &&
    isObject(test)
  )
}

function checkLimit(count: number | null | undefined, side: 'train' | 'test'): void {
  if (count === undefined || count === null || (Number.isInteger(count) && count >= 1)) return
  fail({
    kind: 'usage',
    message: `expected a positive integer as the number of images, got ${count}`,
    where: `data.limit.${side}`,
    help: 'omit the limit to use all images',
  })
}

function limited(split: Split, count: number | null | undefined): Split {
  if (count === undefined || count === null) return split
  return count >= split.length ? split : subset(split, spreadOverClasses(split.labels, count))
}
