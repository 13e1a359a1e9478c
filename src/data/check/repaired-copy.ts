import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join, resolve, sep } from 'node:path'
import sharp from 'sharp'
import { fail } from '../../base/errors.ts'
import { reasonOf } from '../../files/disk.ts'
import { temporaryName } from '../../files/temporary-name.ts'
import { isImageName } from '../image-names.ts'
import { type SplitName, splitNames } from '../split-names.ts'
import type { DataCheck } from './check-data.ts'
import type { CheckedImage } from './checked-images.ts'
import { bytesOfImage, type PassOptions } from './inspect-images.ts'

/** What was written. */
export interface RepairedCopy {
  readonly images: number
  /** Images that can be used and were left out, as duplicates or because their class has no training image. */
  readonly leftOut: number
}

/** An image and its place in the copy. */
interface Placed {
  readonly image: CheckedImage
  /** Relative to the copy, between `/`. */
  readonly path: string
}

/**
 * Writes a copy of a data set without what cannot be used and without duplicates: one folder a class below `train`, `val` and `test`;
 * with boxes in COCO's layout; with several labels an image as `labels.jsonl` and `images/`. Files of images are copied unchanged.
 * The folder appears when it is complete.
 *
 * @param target - a folder that is empty or does not exist
 * @throws MoietyError `usage` for a target that holds something, or lies in the data set; `disk`
 */
export async function writeRepairedCopy(
  check: DataCheck,
  source: string,
  target: string,
  { progress, signal }: PassOptions = {},
): Promise<RepairedCopy> {
  await refuseTarget(source, target)
  const kept = keptImages(check)
  const { task } = check.report
  if (kept.length === 0)
    fail({
      kind: 'data',
      message: 'expected images that can be copied, found none',
      where: source,
      help: 'correct what the check reports first',
    })
  const temporary = join(dirname(resolve(target)), temporaryName(basename(target)))
  try {
    const placed = await placesOf(kept, check)
    await mkdir(temporary, { recursive: true })
    const folders = new Set<string>()
    for (const [done, { image, path }] of placed.entries()) {
      signal?.throwIfAborted()
      const file = join(temporary, path)
      if (!folders.has(dirname(file))) await mkdir(dirname(file), { recursive: true })
      folders.add(dirname(file))
      await writeFile(file, await bytesOfImage(image))
      progress?.({ done: done + 1, total: placed.length, what: 'writing the repaired copy' })
    }
    if (task === 'detection') await writeCoco(temporary, placed, check.classes)
    if (task === 'multi-label')
      await writeFile(join(temporary, 'labels.jsonl'), labelLines(placed, check.classes))
    await rename(temporary, target)
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true })
    if (!(cause instanceof Error) || !('syscall' in cause)) throw cause
    fail({
      kind: 'disk',
      message: `the repaired copy cannot be written: ${reasonOf(cause)}`,
      where: target,
      help: 'name another folder with --repair, or free disk space',
      cause,
    })
  }
  return { images: kept.length, leftOut: check.images.length - kept.length }
}

/** Refused before the check, which may take long. @throws MoietyError `usage` */
export async function refuseTarget(source: string, target: string): Promise<void> {
  const place = resolve(target)
  const names = await readdir(place).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return []
    return [basename(place)]
  })
  if (names.length > 0)
    fail({
      kind: 'usage',
      message: 'expected a new or empty folder for the repaired copy, found one with files, or a file',
      where: target,
      help: 'name another folder with --repair; nothing is overwritten',
    })
  if (`${place}${sep}`.startsWith(`${resolve(source)}${sep}`))
    fail({
      kind: 'usage',
      message: 'expected a folder outside of the data set for the repaired copy',
      where: target,
      help: 'name another folder with --repair',
    })
}

/** Without duplicates, then of classes that have training images, where images have one class each. */
function keptImages({ report, images, surplus }: DataCheck): readonly CheckedImage[] {
  const unique = images.filter(image => !surplus.has(image))
  if (report.task !== 'classification') return unique
  const trained = new Set(unique.filter(({ split }) => split === 'train').flatMap(({ labels }) => labels))
  return unique.filter(({ labels }) => labels.every(label => trained.has(label)))
}

async function placesOf(images: readonly CheckedImage[], { report, classes }: DataCheck): Promise<Placed[]> {
  const folders = report.task === 'classification' ? folderNames(classes) : []
  const used = new Set<string>()
  const placed: Placed[] = []
  for (const image of images) {
    const folder =
      report.task === 'classification'
        ? `${image.split}/${folders[image.labels[0]!]!}`
        : report.task === 'detection'
          ? cocoFolder(image.split)
          : 'images'
    placed.push({ image, path: unusedPath(folder, await fileName(image), used) })
  }
  return placed
}

/** A name of a folder for each class: without what cannot be in one, and each another, also where case does not count. */
function folderNames(classes: readonly string[]): readonly string[] {
  const used = new Set<string>()
  return classes.map(name => {
    const parts = name.split('/').map(part =>
      part
        .replaceAll(/[\\:*?"<>|\p{Cc}]/gu, '_')
        .trim()
        .replace(/^\./, '_'),
    )
    const path = parts.every(part => part !== '') ? parts.join('_') : '_'
    return unusedPath('', path, used).slice(1)
  })
}

/** The path in a folder; numbered where it is taken. */
function unusedPath(folder: string, file: string, used: Set<string>): string {
  const ending = extname(file)
  const stem = file.slice(0, file.length - ending.length)
  let path = `${folder}/${file}`
  for (let copy = 2; used.has(path.toLowerCase()); copy++) path = `${folder}/${stem}-${copy}${ending}`
  used.add(path.toLowerCase())
  return path
}

/** The file's own name; with the ending of its format where it has none of an image. */
async function fileName(image: CheckedImage): Promise<string> {
  const own = basename(image.path)
    .replaceAll(/[^\p{L}\p{N}._ -]/gu, '_')
    .replace(/^[. ]+/, '_')
  if (isImageName(own)) return own
  const { format } = await sharp(await bytesOfImage(image))
    .metadata()
    .catch(() => ({ format: 'bmp' }))
  const ending = { jpeg: 'jpg', heif: 'avif' }[format ?? ''] ?? format
  return `${own}.${ending}`
}

const cocoFolder = (split: SplitName): string => `${split}2017`

/** Annotations of each split, boxes in pixels of the image as stored. */
async function writeCoco(
  folder: string,
  placed: readonly Placed[],
  classes: readonly string[],
): Promise<void> {
  const categories = classes.map((name, label) => ({ id: label + 1, name }))
  await mkdir(join(folder, 'annotations'))
  let id = 0
  for (const split of splitNames) {
    const own = placed.filter(({ image }) => image.split === split)
    if (own.length === 0) continue
    const images = own.map(({ image: { width, height }, path }, i) => ({
      id: i + 1,
      file_name: path.slice(path.indexOf('/') + 1),
      ...{ width, height },
    }))
    const annotations = own.flatMap(({ image }, i) =>
      (image.objects ?? []).map(({ box, label, area, crowd }) => ({
        id: ++id,
        image_id: i + 1,
        category_id: label + 1,
        bbox: box,
        area,
        iscrowd: crowd ? 1 : 0,
      })),
    )
    const file = join(folder, 'annotations', `instances_${split}2017.json`)
    await writeFile(file, JSON.stringify({ images, annotations, categories }))
  }
}

function labelLines(placed: readonly Placed[], classes: readonly string[]): string {
  const lines = placed.map(({ image: { labels, split }, path }) =>
    JSON.stringify({ path, labels: labels.map(label => classes[label]), split }),
  )
  return `${lines.join('\n')}\n`
}
