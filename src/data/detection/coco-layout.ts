import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { isThere } from '../../files/disk.ts'
import { staysWithin } from '../../files/inside.ts'

/** The annotation file of one side, and the folder that its images' names are relative to. */
export interface CocoSide {
  readonly annotations: string
  readonly images: string
}

/** Where a folder has COCO's files. */
export interface CocoLayout {
  /** The folder itself, its links followed; no link of a file may lead out of it. */
  readonly root: string
  readonly train: CocoSide
  readonly test: CocoSide
}

/** What is looked for, in this order: annotations of both sides, then images of both sides. */
const layouts = [
  ['annotations/instances_train2017.json', 'annotations/instances_val2017.json', 'train2017', 'val2017'],
  [
    'annotations/instances_train2017.json',
    'annotations/instances_val2017.json',
    'images/train2017',
    'images/val2017',
  ],
  ['instances_train.json', 'instances_val.json', 'images', 'images'],
] as const

/** Whether a folder has annotations where COCO has them. */
export function holdsCoco(directory: string): boolean {
  return layouts.some(([train, test]) => isThere(join(directory, train)) || isThere(join(directory, test)))
}

/**
 * Finds annotations and images in one of the layouts that COCO comes in.
 *
 * @throws MoietyError of kind `data` that lists what was looked for, where it is not there or leads out of the folder
 */
export async function findCoco(directory: string): Promise<CocoLayout> {
  const root = await realpath(directory).catch((cause: unknown) =>
    fail({
      kind: 'data',
      message: 'expected a folder with COCO annotations and images, found none that can be opened',
      where: directory,
      help: `it should hold ${described()}`,
      cause,
    }),
  )
  for (const parts of layouts) {
    const [train, test, trainImages, testImages] = parts.map(part => join(root, ...part.split('/')))
    if (train === undefined || test === undefined || trainImages === undefined || testImages === undefined)
      continue
    if (![train, test, trainImages, testImages].every(path => isThere(path))) continue
    for (const path of new Set([train, test, trainImages, testImages])) await refuseLeaving(path, root)
    return {
      root,
      train: { annotations: train, images: trainImages },
      test: { annotations: test, images: testImages },
    }
  }
  const parts = [...new Set(layouts.flat())]
  const there = parts.filter(part => isThere(join(root, ...part.split('/'))))
  return fail({
    kind: 'data',
    message: `expected ${described()}; found ${there.length > 0 ? `only ${there.join(', ')}` : 'nothing of them'}`,
    where: directory,
    help: 'unpack the annotations and the images into one folder, in one of these layouts',
  })
}

function described(): string {
  return layouts
    .map(([train, test, trainImages, testImages]) => {
      const images = trainImages === testImages ? `${trainImages}/` : `${trainImages}/, ${testImages}/`
      return `${train}, ${test} and ${images}`
    })
    .join('; or ')
}

async function refuseLeaving(path: string, root: string): Promise<void> {
  if (await staysWithin(path, root)) return
  fail({
    kind: 'data',
    message: `expected links that stay within ${root}, got one that leads out of it`,
    where: path,
    help: 'move the files into the folder, or give the folder that they are in',
  })
}
