import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { isThere, reasonOf, rethrowExhausted } from '../../files/disk.ts'
import { staysWithin } from '../../files/path-inside.ts'
import { type SplitName, splitNames } from '../split-names.ts'

/** The annotation file of one split, and the folder that its images' names are relative to. */
export interface CocoSide {
  readonly annotations: string
  readonly images: string
}

/** The COCO files of a folder; at least one of `val` and `test`. */
export interface CocoLayout {
  /** The folder itself, its links followed; no link may leave it. */
  readonly root: string
  readonly train: CocoSide
  readonly val: CocoSide | undefined
  readonly test: CocoSide | undefined
}

/** Annotations and images of each split, relative to the folder. */
type Layout = Readonly<Record<SplitName, CocoSide>>

const layouts: readonly Layout[] = [
  layout(split => ({ annotations: `annotations/instances_${split}2017.json`, images: `${split}2017` })),
  layout(split => ({
    annotations: `annotations/instances_${split}2017.json`,
    images: `images/${split}2017`,
  })),
  layout(split => ({ annotations: `instances_${split}.json`, images: 'images' })),
]

function layout(sideOf: (split: SplitName) => CocoSide): Layout {
  return { train: sideOf('train'), val: sideOf('val'), test: sideOf('test') }
}

const holds = (root: string, part: string): boolean => isThere(join(root, ...part.split('/')))

/** Whether a folder has annotations in a COCO layout. */
export function holdsCoco(directory: string): boolean {
  return layouts.some(({ train, val }) =>
    [train, val].some(({ annotations }) => holds(directory, annotations)),
  )
}

/**
 * Finds annotations and images in one of COCO's layouts: of `train`, and of `val`, `test` or both.
 *
 * @throws MoietyError of kind `data` that lists the supported layouts, if none is found or links leave the folder
 */
export async function findCoco(directory: string): Promise<CocoLayout> {
  const root = await realpath(directory).catch((cause: unknown) => {
    rethrowExhausted(cause, 'open', directory)
    return fail({
      kind: 'data',
      message: `expected a folder with COCO annotations and images, found none that can be opened: ${reasonOf(cause)}`,
      where: directory,
      help: `it should hold ${described()}`,
      cause,
    })
  })
  for (const each of layouts) {
    // Annotations without their images are a part that is missing; images alone, as COCO's test2017, are ignored.
    const annotated = splitNames.filter(split => holds(root, each[split].annotations))
    const isWhole = annotated.every(split => holds(root, each[split].images))
    if (!isWhole || !annotated.includes('train') || annotated.length < 2) continue
    const place = (part: string): string => join(root, ...part.split('/'))
    const sideOf = (split: SplitName): CocoSide => ({
      annotations: place(each[split].annotations),
      images: place(each[split].images),
    })
    const sides = annotated.map(sideOf)
    for (const path of new Set(sides.flatMap(({ annotations, images }) => [annotations, images])))
      await refuseLeaving(path, root)
    return {
      root,
      train: sideOf('train'),
      val: annotated.includes('val') ? sideOf('val') : undefined,
      test: annotated.includes('test') ? sideOf('test') : undefined,
    }
  }
  const parts = [...new Set(layouts.flatMap(each => splitNames.map(split => each[split].annotations)))]
  const folders = [...new Set(layouts.flatMap(each => splitNames.map(split => each[split].images)))]
  const there = [...parts, ...folders].filter(part => holds(root, part))
  return fail({
    kind: 'data',
    message: `expected ${described()}; found ${there.length > 0 ? `only ${there.join(', ')}` : 'nothing of them'}`,
    where: directory,
    help: 'unpack the annotations and the images into one folder, in one of these layouts; a test split may be there as well, or in place of val, with test where these names have val',
  })
}

function described(): string {
  return layouts
    .map(({ train, val }) => {
      const images = train.images === val.images ? `${train.images}/` : `${train.images}/, ${val.images}/`
      return `${train.annotations}, ${val.annotations} and ${images}`
    })
    .join('; or ')
}

async function refuseLeaving(path: string, root: string): Promise<void> {
  if (await staysWithin(path, root)) return
  fail({
    kind: 'data',
    message: `expected links that stay within ${root}, got one that leaves it`,
    where: path,
    help: 'move the files into the folder, or give the folder that they are in',
  })
}
