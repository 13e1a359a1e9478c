import { fail } from '../base/errors.ts'
import { openCifar } from './cifar.ts'
import {
  type Dataset,
  type Limit,
  type OnProgress,
  type Split,
  spreadOverClasses,
  subset,
} from './dataset.ts'
import { type DataName, taskOfData } from './datasets/registry.ts'
import { openFolder } from './folder.ts'
import { needDirectory } from './missing-directory.ts'
import { openOwn } from './own-data.ts'
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
  const own = await openOwn('classification', options, progress)
  if (own !== undefined) return own
  switch (options.name) {
    case 'cifar10':
    case 'cifar100':
      return openCifar(options.name, needDirectory(options))
    case 'sample':
      return openSample({ seed: options.seed, cacheDirectory: options.cacheDirectory }, progress)
    case 'folder':
      return openFolder({ ...options, directory: needDirectory(options) }, progress)
    default:
      return fail({
        kind: 'usage',
        message: `expected images of one class each, but those of ${options.name} have ${taskOfData(options.name) === 'detection' ? 'boxes' : 'any number'}`,
        where: 'data.name',
        help: 'this is for classifiers; in a program, openDetectionDataset opens boxes and openMultiLabel several labels an image',
      })
  }
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
