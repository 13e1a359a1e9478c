import {
  identity,
  isImageName,
  isJunkFile,
  MoietyError,
  photographs,
  roleOf,
  splitByFile,
  spreadOverClasses,
} from 'moiety/step'
import type { ImageData, Pixels } from './training/data.ts'
import { digest } from './training/run-files.ts'

/** A file with its path below what was dropped. */
export interface GivenFile {
  readonly path: string
  readonly file: File
}

/** Images of a dropped folder at most: more take longer to decode than anybody watches. */
export const folderLimit = { train: 9600, test: 300 } as const

/** Height and width to which images are brought. */
const size = 32

/** Most files that are looked at. */
const mostFiles = 200_000

/** All files of a drop, those in folders with their paths. */
export async function filesOf(transfer: DataTransfer): Promise<GivenFile[]> {
  // Entries are gone as soon as the event is over.
  const entries = [...transfer.items].flatMap(item => item.webkitGetAsEntry?.() ?? [])
  if (entries.length === 0) return [...transfer.files].map(file => ({ path: file.name, file }))
  const found: GivenFile[] = []
  const visit = async (entry: FileSystemEntry, path: string): Promise<void> => {
    if (found.length > mostFiles) return
    if (isFile(entry)) {
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject))
      found.push({ path, file })
    } else if (isFolder(entry)) {
      const reader = entry.createReader()
      for (;;) {
        const part = await new Promise<FileSystemEntry[]>((resolve, reject) =>
          reader.readEntries(resolve, reject),
        )
        if (part.length === 0) break
        for (const inner of part) await visit(inner, `${path}/${inner.name}`)
      }
    }
  }
  for (const entry of entries) await visit(entry, entry.name)
  return found
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory

/** Files that were chosen in a dialog. */
export function chosenFiles(list: FileList): GivenFile[] {
  return [...list].map(file => ({ path: file.webkitRelativePath || file.name, file }))
}

/** An image file, the class it is of, and where from. */
interface Item {
  readonly file: File
  readonly path: string
  readonly label: number
}

interface Sorted {
  readonly title: string
  readonly classes: readonly string[]
  readonly superclasses: readonly string[] | undefined
  readonly superclassOf: readonly number[] | undefined
  readonly train: readonly Item[]
  readonly val: readonly Item[] | undefined
  readonly test: readonly Item[]
}

/**
 * Images as a data set, as `moiety train --data FOLDER` reads it: a folder for each class, or superclass/class, below folders for
 * splits or not. Files without folders are of the class that their names begin with: `cat-1.jpg`, `cat-2.jpg`.
 *
 * @param onProgress - called with how many images are decoded
 * @throws MoietyError (data) for folders that cannot be read so, or too few images
 */
export async function openImages(
  given: readonly GivenFile[],
  onProgress: (done: number, total: number) => void,
): Promise<{ readonly data: ImageData; readonly skipped: readonly string[] }> {
  const sorted = sortedImages(given)
  const { title, classes, superclasses, superclassOf } = sorted
  const limited = (items: readonly Item[], most: number): readonly Item[] =>
    items.length <= most
      ? items
      : Array.from(
          spreadOverClasses(
            Int32Array.from(items, ({ label }) => label),
            most,
          ),
          at => items[at]!,
        )
  const train = limited(sorted.train, folderLimit.train)
  const val = sorted.val && limited(sorted.val, folderLimit.test)
  const test = limited(sorted.test, folderLimit.test)
  const total = train.length + (val?.length ?? 0) + test.length
  const skipped: string[] = []
  let done = 0
  const decoded = async (items: readonly Item[]): Promise<Pixels> => {
    const kept: [planes: Uint8Array, label: number][] = []
    for (const { file, path, label } of items) {
      const planes = await planesOf(file).catch(() => undefined)
      if (planes === undefined) skipped.push(path)
      else kept.push([planes, label])
      onProgress(++done, total)
    }
    const pixels = new Uint8Array(kept.length * 3 * size * size)
    for (const [i, [planes]] of kept.entries()) pixels.set(planes, i * planes.length)
    return { pixels, labels: Int32Array.from(kept, ([, label]) => label) }
  }
  const splits = { train: await decoded(train), val: val && (await decoded(val)), test: await decoded(test) }
  const untrained = classes.find((_, label) => !splits.train.labels.includes(label))
  const tested = splits.val ?? splits.test
  if (untrained !== undefined || tested.labels.length === 0)
    throw new MoietyError({
      kind: 'data',
      message:
        untrained === undefined
          ? 'expected images to test on, but every class has only one'
          : `no image of the class ${untrained} can be read`,
      help: 'give five or more images of each class',
    })
  const facts = {
    ...{ classes, superclasses, superclassOf, size, ...photographs },
    train: { length: splits.train.labels.length },
    ...(splits.val === undefined ? {} : { val: { length: splits.val.labels.length } }),
    test: { length: splits.test.labels.length },
  }
  const all = [splits.train, ...(splits.val === undefined ? [] : [splits.val]), splits.test]
  const data: ImageData = {
    name: 'folder',
    directory: title,
    title: `${classes.length} classes of ${title}: ${splits.train.labels.length} images to train on, ${tested.labels.length} to test on`,
    ...{ size, classes, superclasses, superclassOf, ...photographs },
    train: splits.train,
    test: tested,
    identity: identity(facts, digest(bytesOf(all.map(({ labels }) => labels)))),
  }
  return { data, skipped }
}

function bytesOf(labels: readonly Int32Array[]): Uint8Array {
  const all = Int32Array.from(labels.flatMap(one => [...one]))
  return new Uint8Array(all.buffer)
}

function sortedImages(given: readonly GivenFile[]): Sorted {
  const kept = given
    .map(({ path, file }) => ({ parts: path.split('/'), file }))
    .filter(({ parts }) =>
      parts.every((part, i) => !isJunkFile(part, i === parts.length - 1 ? 'file' : 'folder')),
    )
  if (!kept.some(({ file }) => isImageName(file.name)))
    throw new MoietyError({
      kind: 'data',
      message: 'no images were found in what was dropped',
      help: 'drop images, or a folder with one folder of images for each class',
    })
  // A folder that was dropped alone is the data set; several are its classes.
  const tops = new Set(kept.map(({ parts }) => parts[0]))
  const isOne = tops.size === 1 && kept.every(({ parts }) => parts.length > 1)
  const inner = isOne ? kept.map(({ parts, file }) => ({ parts: parts.slice(1), file })) : kept
  const title = isOne ? kept[0]!.parts[0]! : 'your images'
  const files = inner
    .filter(({ parts, file }) => parts.length > 1 || isImageName(file.name))
    .toSorted((a, b) => compare(a.parts, b.parts))
  const isSplit = files.every(({ parts }) => parts.length > 2 && roleOf(parts[0]!) !== undefined)
  const part = (role: 'train' | 'val' | 'test') =>
    files
      .filter(({ parts }) => roleOf(parts[0]!) === role)
      .map(({ parts, file }) => ({ parts: parts.slice(1), file }))
  const training = isSplit ? part('train') : files
  if (training.length === 0)
    throw new MoietyError({
      kind: 'data',
      message: 'found folders of splits, but none to train on',
      help: 'name the folder of the training images train',
    })
  const depths = new Set(training.map(({ parts }) => parts.length))
  const [depth = 0] = depths
  if (depths.size > 1 || depth > 3)
    throw new MoietyError({
      kind: 'data',
      message: 'expected all images at one depth: class/image or superclass/class/image',
      help: 'put every image into the folder of its class',
    })
  const keyOf = (parts: readonly string[]): string =>
    parts.length === 1 ? wordOf(parts[0]!) : parts.slice(0, -1).join('/')
  const keys = [...new Set(training.map(({ parts }) => keyOf(parts)))]
  if (keys.length < 2)
    throw new MoietyError({
      kind: 'data',
      message: `expected images of two classes or more, found one: ${keys[0]}`,
      help: 'drop a folder with one folder of images for each class, or files named after their classes: cat-1.jpg, dog-1.jpg',
    })
  const items = (some: typeof files): Item[] =>
    some.flatMap(({ parts, file }) => {
      const label = keys.indexOf(keyOf(parts))
      return label < 0 ? [] : [{ file, path: parts.join('/'), label }]
    })
  const names = keys.map(key => key.split('/').at(-1)!)
  const supers = depth === 3 ? [...new Set(keys.map(key => key.split('/')[0]!))] : undefined
  const isTwice = (name: string): boolean => names.filter(other => other === name).length > 1
  const facts = {
    title,
    classes: keys.map((key, i) => (isTwice(names[i]!) ? key : names[i]!)),
    superclasses: supers,
    superclassOf: supers && keys.map(key => supers.indexOf(key.split('/')[0]!)),
  }
  const [val, test] = isSplit ? [part('val'), part('test')] : [[], []]
  if (val.length + test.length > 0)
    return {
      ...facts,
      train: items(training),
      val: val.length === 0 ? undefined : items(val),
      test: items(test),
    }
  return { ...facts, ...splitByFile(items(training), keys.length, 0), val: undefined }
}

/** By the code units of folders, then of names. */
function compare(a: readonly string[], b: readonly string[]): number {
  for (const [i, part] of a.entries()) {
    const other = b[i] ?? ''
    if (part !== other) return part < other ? -1 : 1
  }
  return a.length - b.length
}

/** `cat` of `cat-1.jpg`, `cat_012.png` and `cat (3).webp`. */
function wordOf(name: string): string {
  return name.replace(/\.[^.]*$/, '').replace(/[\s_.()-]*\d[\d\s_.()-]*$/, '') || name
}

/** The pixels of an image file: the middle square, on white, uint8 [3, S, S]. @throws where the browser cannot read it */
export async function planesOf(file: Blob, side = size): Promise<Uint8Array> {
  const image = await createImageBitmap(file, { imageOrientation: 'from-image' })
  const planes = planesOfImage(image, image.width, image.height, side)
  image.close()
  return planes
}

/** The middle square of anything that can be drawn. */
export function planesOfImage(
  image: CanvasImageSource,
  width: number,
  height: number,
  side: number,
): Uint8Array {
  const canvas = new OffscreenCanvas(side, side)
  const context = canvas.getContext('2d', { willReadFrequently: true })!
  context.fillStyle = 'white'
  context.fillRect(0, 0, side, side)
  context.imageSmoothingQuality = 'high'
  const square = Math.min(width, height)
  context.drawImage(image, (width - square) / 2, (height - square) / 2, square, square, 0, 0, side, side)
  const { data } = context.getImageData(0, 0, side, side)
  const plane = side * side
  return Uint8Array.from({ length: 3 * plane }, (_, at) => data[4 * (at % plane) + Math.floor(at / plane)]!)
}
