import { type CodeOwner, ownedFunction } from '../base/component-code.ts'
import { fail } from '../base/errors.ts'
import { isCount } from '../base/numbers.ts'
import { datasetOfArrays, multiLabelOfArrays, scenesOfArrays } from './array-data.ts'
import { type Dataset, type Limit, loadOf, type OnProgress } from './dataset.ts'
import type { DataTask } from './datasets/dataset-facts.ts'
import type { OpenedData } from './datasets/define-dataset.ts'
import { datasets } from './datasets/registry.ts'
import type { DetectionDataset, DetectionSplit } from './detection/detection-dataset.ts'
import { spreadOverLabels } from './multi-label/label-splits.ts'
import type { MultiLabelDataset, MultiLabelSplit } from './multi-label/multi-label-dataset.ts'
import { type Splits, usedInWords } from './split-names.ts'

/** The part of `data` of a configuration that is for a data set of the user's own. */
export interface OwnDataOptions {
  readonly name: string
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly directory?: string | null | undefined
  readonly size?: number | undefined
  readonly limit?: Limit | undefined
}

/** What a data set of each task is, once it is open. */
interface Data {
  readonly classification: Dataset
  readonly 'multi-label': MultiLabelDataset
  readonly detection: DetectionDataset
}

/**
 * Opens a data set that a program or `--use` has added; undefined where the name is of none for that task.
 *
 * @throws MoietyError of kind `data` where its code fails or gives other things
 */
export async function openOwn<Task extends DataTask>(
  task: Task,
  { name, options, directory = null, size, limit }: OwnDataOptions,
  progress: OnProgress = () => undefined,
): Promise<Data[Task] | undefined> {
  const own = datasets.find(name)
  if (own?.task !== task) return undefined
  const opened: unknown = await own.create(options)({ directory, size, onProgress: progress })
  return finish[task]({ ...own, source: datasets.sourceOf(name) }, opened, limit)
}

type Finish<Task extends DataTask> = (
  owner: CodeOwner,
  opened: unknown,
  limit: Limit | undefined,
) => Data[Task]

const finish: { readonly [Task in DataTask]: Finish<Task> } = {
  classification: (owner, opened) => {
    const data = checked<OpenedData['classification']>(opened, owner)
    const dataset = 'mean' in data ? data : datasetOfArrays(data)
    if (!isCount(dataset.size)) refuseEmpty(owner)
    return withSplits(dataset, owner, split => ({ labels: split.labels, coarse: split.coarse }))
  },
  'multi-label': (owner, opened, limit) => {
    const data = checked<OpenedData['multi-label']>(opened, owner)
    const dataset = 'mean' in data ? data : multiLabelOfArrays(data)
    if (!isCount(dataset.size)) refuseEmpty(owner)
    const classes = dataset.classes.length
    const whole = withSplits(dataset, owner, ({ targets, length }) => {
      if (targets instanceof Uint8Array && targets.length === length * classes) return { targets }
      return refuseTargets(owner, `targets, uint8 [${length} · ${classes}]`)
    })
    return limitedTo(whole, limit, (split, most) => labelledImages(split, classes, most))
  },
  detection: (owner, opened, limit) => {
    const data = checked<OpenedData['detection']>(opened, owner)
    const dataset = 'mean' in data ? data : scenesOfArrays(data)
    const whole = withSplits(dataset, owner, ({ scenes, length, changes }) => {
      if (Array.isArray(scenes) && scenes.length === length) return { scenes, changes }
      return refuseTargets(owner, `${length} scenes`)
    })
    return limitedTo(whole, limit, firstScenes)
  },
}

/** Whatever it opened as has classes and images: JavaScript checks nothing of it. */
function checked<Opened extends object>(opened: unknown, { name, source }: CodeOwner): Opened {
  if (isOpened(opened)) return opened as Opened
  return fail({
    kind: 'data',
    message: `expected the data set "${name}" to open as { title, classes, train, test, … }, but it gave other things`,
    where: source?.file ?? 'data.name',
    help: 'return arrays or a Dataset; docs/guide/components.md has an example',
  })
}

function isOpened(value: unknown): value is OpenedData[DataTask] {
  if (typeof value !== 'object' || value === null) return false
  const { classes, train, test } = value as Partial<OpenedData[DataTask]>
  const isObject = (one: unknown): boolean => typeof one === 'object' && one !== null
  return (
    Array.isArray(classes) &&
    classes.length > 0 &&
    classes.every(one => typeof one === 'string') &&
    isObject(train) &&
    isObject(test)
  )
}

interface LoadingSplit {
  readonly length: number
  load(indices: Uint32Array | readonly number[]): Promise<unknown>
}

/** Splits whose loading says whose code it is when it fails; `targets` are what else they have. */
function withSplits<Split extends LoadingSplit, Opened extends Splits<Split> & { readonly name: string }>(
  dataset: Opened & Splits<Split>,
  owner: CodeOwner,
  targets: (split: Split) => Omit<Split, 'length' | 'load'>,
): Opened {
  const loading = (split: Split) => ({
    length: split.length,
    ...targets(split),
    load: ownedFunction((indices: Uint32Array | readonly number[]) => split.load(indices), owner),
  })
  const { train, val, test, skipped = [] } = dataset as typeof dataset & { readonly skipped?: readonly [] }
  if (!isCount(train.length)) refuseEmpty(owner)
  return {
    ...dataset,
    name: owner.name,
    skipped,
    train: loading(train),
    ...(val === undefined ? {} : { val: loading(val) }),
    test: loading(test),
  }
}

function limitedTo<Split extends LoadingSplit, Opened extends Splits<Split> & { readonly title: string }>(
  dataset: Opened & Splits<Split>,
  limit: Limit | undefined,
  first: (split: Split, most: number) => Split,
): Opened {
  const part = (split: Split, most: number | null | undefined): Split =>
    most === null || most === undefined || most >= split.length ? split : first(split, most)
  const train = part(dataset.train, limit?.train)
  const val = dataset.val === undefined ? {} : { val: part(dataset.val, limit?.test) }
  const used = { train, ...val, test: part(dataset.test, limit?.test) }
  return { ...dataset, ...used, title: `${dataset.title}${usedInWords(dataset, used)}` }
}

/** Spread evenly over the classes, as of a labels file. */
function labelledImages(split: MultiLabelSplit, classes: number, most: number): MultiLabelSplit {
  const rows = Array.from({ length: split.length }, (_, image) => {
    const own = split.targets.subarray(image * classes, (image + 1) * classes)
    return { image, own, labels: [...own].flatMap((target, label) => (target === 1 ? [label] : [])) }
  })
  const chosen = spreadOverLabels(rows, classes, most)
  return {
    length: chosen.length,
    load: loadOf(
      split,
      Uint32Array.from(chosen, ({ image }) => image),
    ),
    targets: Uint8Array.from(chosen.flatMap(({ own }) => [...own])),
    names: split.names && chosen.map(({ image }) => split.names![image]!),
  }
}

/** The first ones, as of a folder with boxes. */
function firstScenes(split: DetectionSplit, most: number): DetectionSplit {
  return { ...split, length: most, scenes: split.scenes.slice(0, most) }
}

function refuseEmpty({ name, source }: CodeOwner): never {
  return fail({
    kind: 'data',
    message: `expected images to train on from the data set "${name}", but there are none`,
    where: source?.file ?? 'data.name',
    help: 'return at least one training image and the size of all',
  })
}

function refuseTargets({ name, source }: CodeOwner, expected: string): never {
  return fail({
    kind: 'data',
    message: `expected ${expected} with the images of the data set "${name}", but got others`,
    where: source?.file ?? 'data.name',
    help: 'give one for each image of the split; docs/guide/components.md says which',
  })
}
