import { fail } from '../base/errors.ts'

/** The role of a split. Training is tested on `val` after each epoch, on `test` where there is no `val`. */
export type SplitName = 'train' | 'val' | 'test'

/** In the order in which they are listed everywhere. */
export const splitNames: readonly SplitName[] = ['train', 'val', 'test']

/** Usual names of splits in data sets and tools. */
const aliases: Readonly<Record<SplitName, readonly string[]>> = {
  train: ['train', 'training', 'trn'],
  val: ['val', 'valid', 'validation', 'dev'],
  test: ['test', 'testing', 'tst', 'eval', 'evaluation'],
}

const roles = new Map(splitNames.flatMap(role => aliases[role].map(alias => [alias, role] as const)))

/** Filler words next to a split's name, as in `test_set`, `train-images` or `valdata`. */
const fillers = ['set', 'data', 'dataset', 'images', 'image', 'imgs', 'img', 'split', 'folder', 'dir']

/** The aliases of all splits, as documentation and errors list them. */
export const aliasesInWords = splitNames
  .map(role => `${role} (${aliases[role].slice(1).join(', ')})`)
  .join('; ')

export interface Reading {
  readonly role: SplitName
  /** The rest of the name; empty if it names only a split. */
  readonly rest: string
}

/** Reads the name of a folder or of a file without its ending; undefined where no word of it names a split. */
export function readingOf(name: string): Reading | undefined {
  const words = name
    .toLowerCase()
    .split(/[^\p{L}]+/u)
    .filter(word => word !== '' && !fillers.includes(word))
  const place = words.findIndex(word => roleOfWord(word) !== undefined)
  const role = place < 0 ? undefined : roleOfWord(words[place]!)
  return role && { role, rest: words.filter((_, i) => i !== place).join(' ') }
}

/** `test`, and `testset` in one word. */
function roleOfWord(word: string): SplitName | undefined {
  const filler = fillers.find(each => word.endsWith(each) && roles.has(word.slice(0, -each.length)))
  return roles.get(filler === undefined ? word : word.slice(0, -filler.length))
}

/** The split that a folder's name names, in any case: `Train`, `validation`, `test_set`, `val2017`; otherwise undefined. */
export function roleOf(name: string): SplitName | undefined {
  const reading = readingOf(name)
  return reading?.rest === '' ? reading.role : undefined
}

/** Whether a name begins as those of splits do, also in other languages or shortened: `tr`, `Testdaten`, `holdout`. */
export function isLikeSplit(name: string): boolean {
  return /^(tr|te|ts|va|vl|dev|eval|hold|held)/i.test(name)
}

/**
 * Names that are splits of one thing with something before or behind the split's name, as `seg_train` and `seg_test`;
 * none where there is only one, as of a class `train_station`.
 */
export function composedSplits(names: readonly string[]): readonly string[] {
  const byRest = new Map<string, { readonly name: string; readonly role: SplitName }[]>()
  for (const name of names) {
    const reading = readingOf(name)
    if (reading === undefined || reading.rest === '') continue
    byRest.set(reading.rest, [...(byRest.get(reading.rest) ?? []), { name, role: reading.role }])
  }
  const groups = [...byRest.values()].filter(group => new Set(group.map(({ role }) => role)).size > 1)
  return groups.flatMap(group => group.map(({ name }) => name))
}

/** Splits of a data set, of images with classes or with boxes. */
export interface Splits<S> {
  readonly train: S
  readonly val?: S | undefined
  readonly test: S
}

/** The split that training is tested on after each epoch: `val`, or `test` where there is no `val`. */
export function heldOutSplit(dataset: Splits<{ readonly length: number }>): 'val' | 'test' {
  return dataset.val === undefined ? 'test' : 'val'
}

/**
 * A split by its name.
 *
 * @throws MoietyError of kind `data` where the data has no image in it
 */
export function splitNamed<S extends { readonly length: number }>(
  dataset: Splits<S> & { readonly title: string },
  name: SplitName,
): S {
  const split = dataset[name]
  if (split !== undefined && split.length > 0) return split
  const others = splitNames.filter(each => (dataset[each]?.length ?? 0) > 0)
  return fail({
    kind: 'data',
    message: `the ${name} split has no image`,
    where: dataset.title,
    help: `there are images in ${others.join(' and ')}; check data.directory and data.limit`,
  })
}

/** How many images each split has, as `12 training, 4 validation and 3 test images`; of no test split nothing. */
export function countsInWords({ train, val, test }: Splits<{ readonly length: number }>): string {
  const counts = [
    `${train.length} training`,
    ...(val === undefined ? [] : [`${val.length} validation`]),
    ...(val !== undefined && test.length === 0 ? [] : [`${test.length} test`]),
  ]
  return `${counts.slice(0, -1).join(', ')} and ${counts.at(-1)} images`
}

interface Sized {
  readonly length: number
}

/** For titles: the used part if `data.limit` excludes images; otherwise empty. */
export function usedInWords(all: Splits<Sized>, used: Splits<Sized>): string {
  const isLess = splitNames.some(name => (used[name]?.length ?? 0) < (all[name]?.length ?? 0))
  return isLess ? `, of which ${countsInWords(used)} are used` : ''
}

/**
 * The counts of a title, of data of which a limit leaves out images before they are opened.
 *
 * @param all - what there is
 * @param used - what is left by the limit, less the images that cannot be read
 */
export function titleCounts(
  all: Splits<Sized>,
  limit:
    | { readonly train?: number | null | undefined; readonly test?: number | null | undefined }
    | undefined,
  used: Splits<Sized>,
): string {
  const isLimited = splitNames.some(
    name => (all[name]?.length ?? 0) > ((name === 'train' ? limit?.train : limit?.test) ?? Infinity),
  )
  return isLimited ? `${countsInWords(all)}${usedInWords(all, used)}` : countsInWords(used)
}
