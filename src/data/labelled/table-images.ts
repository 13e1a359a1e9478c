import { basename } from 'node:path'
import { fail } from '../../base/errors.ts'
import type { SplitName } from '../split-names.ts'
import { findLabelFiles } from '../tables/find-label-files.ts'
import { type LabelledRow, leftOutColumns, readLabelFiles } from '../tables/label-file.ts'
import { leftOutPrefixes, locateImages } from '../tables/locate-images.ts'
import type { LabelledImage, LabelledImages, ReadOptions } from './labelled-images.ts'

/**
 * Images that a labels file lists, each with one label.
 *
 * @throws MoietyError `data` for a file that is malformed or has several labels an image, and as `locateImages`
 */
export async function readTableImages(directory: string, options: ReadOptions): Promise<LabelledImages> {
  const { sources, root } = findLabelFiles(directory)
  const { classes, images, isSeveral, read, leftOut } = await readLabelFiles(sources)
  if (isSeveral) refuseSeveral(images)
  const { images: located, missing, prefixes } = await locateImages(images, { ...options, root })
  const of = (split: SplitName | undefined): readonly LabelledImage[] | undefined => {
    const own = located.filter(image => image.split === split)
    return own.length === 0
      ? undefined
      : own.map(({ path, bytes, labels }) => ({ path, bytes, label: labels[0]! }))
  }
  const [only] = sources
  return {
    container: sources.length === 1 && basename(directory) === basename(only!.file) ? 'table' : undefined,
    classes,
    train: of('train') ?? of(undefined) ?? [],
    val: of('val'),
    test: of('test'),
    notices: [
      `labels are from ${read}: every image has one; data.name=multi-label reads any number an image`,
      ...leftOutColumns(leftOut),
      ...leftOutPrefixes(prefixes),
    ],
    skipped: missing,
  }
}

function refuseSeveral(images: readonly LabelledRow[]): never {
  const { labels, where } = images.find(each => each.labels.length !== 1)!
  return fail({
    kind: 'data',
    message: `expected one label for every image, found ${labels.length === 0 ? 'none' : labels.length}`,
    where,
    help: 'images with any number of labels are read with --set data.name=multi-label (docs/guide/multi-label.md)',
  })
}
