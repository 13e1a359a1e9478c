import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { fail } from '../base/errors.ts'
import type { DetectionDataset, DetectionSplit } from '../data/detection/index.ts'
import { type Dataset, heldOutSplit, type SplitName, type Splits } from '../data/index.ts'
import type { Json } from '../files/json.ts'
import { type DataIdentity, identity, remembered } from './remembered-data.ts'

export * from './remembered-data.ts'

/** The hash covers every label of every split, so that no image has to be decoded. */
export function identityOf(dataset: Dataset): DataIdentity {
  const hash = createHash('sha256')
  for (const { labels } of splitsOf(dataset))
    hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength))
  return identity(dataset, hash.digest('hex'))
}

/** In the order of the hash: what a training is tested on comes second, as when there were two splits. */
export function splitsOf<S>({ train, val, test }: Splits<S>): S[] {
  return val === undefined ? [train, test] : [train, val, test]
}

/** The same of images with boxes; the hash covers every object of every split, so that no image has to be decoded. */
export function detectionIdentity(dataset: DetectionDataset): DataIdentity {
  const { categoryIds, sizeFactor } = dataset
  const hash = createHash('sha256')
  for (const { scenes } of splitsOf<DetectionSplit>(dataset))
    for (const { id, width, height, objects } of scenes) {
      const boxes = objects.map(({ box, area, label, crowd }) => [box, area, label, crowd])
      hash.update(JSON.stringify([id, width, height, boxes]))
    }
  return identity(dataset, hash.digest('hex'), { categoryIds: [...categoryIds], sizeFactor })
}

/**
 * Refuses data with other classes than a network was trained to tell apart.
 *
 * @param extra - of its checkpoint
 * @throws MoietyError `usage` that names the first class that differs
 */
export function refuseOtherClasses(
  extra: Json,
  { classes, title }: { readonly classes: readonly string[]; readonly title: string },
): void {
  const before = remembered(extra)?.classes ?? classes
  const count = Math.max(before.length, classes.length)
  const other = Array.from({ length: count }, (_, i) => i).find(i => before[i] !== classes[i])
  if (other === undefined) return
  fail({
    kind: 'usage',
    message:
      before.length === classes.length
        ? `class ${other} was "${before[other]}" when the run was trained, but is "${classes[other]}" in the data`
        : `the run knows ${before.length} classes, but the data has ${classes.length}`,
    where: title,
    help: 'give the data that the run was trained on, or data with the same classes; a run of a task that a program made is opened by that program',
  })
}

/**
 * Refuses to go on with other data than the checkpoint was trained on.
 *
 * @param extra - of the checkpoint
 * @param now - the identity of the data that there is
 * @param title - of that data
 * @throws MoietyError `data` that says what differs, `usage` for other classes
 */
export function refuseOtherData(extra: Json, now: DataIdentity, title: string): void {
  refuseOtherClasses(extra, { classes: now.classes, title })
  const before = remembered(extra)
  if (before === undefined) return
  const same = isDeepStrictEqual(sizesOf(before), sizesOf(before.val === 'not said' ? withoutVal(now) : now))
  const sameLabels = same && before.labels === now.labels
  if (sameLabels && (before.content ?? now.content) === (now.content ?? before.content)) return
  const counts = ({ train, val, test }: DataIdentity): string =>
    typeof val !== 'number'
      ? `${train} images to train and ${test} to test on`
      : `${train} images to train, ${val} to validate and ${test} to test on`
  fail({
    kind: 'data',
    message: sameLabels
      ? 'the run began with other image files: as many and labelled alike, but files were replaced or swapped since'
      : same
        ? `the run began with other images: as many as now, but of other classes or in another order${now.detection === null ? '' : ', or with other boxes'}`
        : `the run began with ${counts(before)}, but now there are ${counts(now)}`,
    where: title,
    help: 'give the data that the run began with, in data.directory or --data, or begin a new run',
  })
}

function sizesOf({ train, val, test }: DataIdentity): Readonly<Record<string, number>> {
  return { train, ...(typeof val === 'number' ? { val } : {}), test }
}

/** Data as earlier versions knew it: a `val` without a `test` was called `test`. With both there were no splits at all. */
function withoutVal(now: DataIdentity): DataIdentity {
  return typeof now.val === 'number' && now.test === 0 ? { ...now, val: null, test: now.val } : now
}

/**
 * The split to look at where nobody names one: that which the run was tested on while it trained, or of other data and
 * where the checkpoint is of an earlier version the one that a training on it would be tested on.
 *
 * @param extra - of the run's checkpoint; undefined for other data than the run was trained on
 */
export function usualSplit(
  extra: Json | undefined,
  dataset: Parameters<typeof heldOutSplit>[0],
): Exclude<SplitName, 'train'> {
  const before = extra === undefined ? undefined : remembered(extra)
  return before === undefined || before.val === 'not said' ? heldOutSplit(dataset) : testedOn(before)
}

/** What a run was tested on while it trained. Earlier versions called it `test` whatever it was. */
export function testedOn(before: DataIdentity | undefined): Exclude<SplitName, 'train'> {
  return typeof before?.val === 'number' ? 'val' : 'test'
}
