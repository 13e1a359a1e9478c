import { dirname, join, resolve } from 'node:path'
import { fail } from '../../base/errors.ts'
import { kindOf } from '../../files/disk.ts'
import { type BoxFolder, type BoxFormat, type BoxReading, boxFormats } from './box-folder.ts'
import { cocoFile, findCocoFiles } from './coco-layout.ts'
import { listFolder, rootOf } from './folder-listing.ts'
import { readCocoFolder } from './read-coco.ts'
import { readVocFolder } from './read-voc.ts'
import { readYoloFolder } from './read-yolo.ts'
import { findVocFiles } from './voc-layout.ts'
import { findYoloFiles } from './yolo-layout.ts'

/** A data set with boxes that was found in a folder, not read yet. */
export interface FoundBoxes {
  readonly format: BoxFormat
  /** Whether it has the layout and the names of COCO's own files, or those without the year. */
  readonly isCocoItself: boolean
  /** The folder that is not left, a real path. */
  readonly root: string
  read(reading: BoxReading): Promise<BoxFolder>
}

/** Folders in a folder that hold nothing else, as archives have them, are entered. */
const deepest = 2

/**
 * Recognises the format of a folder by its files: COCO, then YOLO, then Pascal VOC. Reads nothing but names and the beginnings of
 * a few files. Instead of the folder, a file in COCO's format or a `data.yaml` may be given: then no other description is read.
 */
export async function findBoxes(directory: string): Promise<FoundBoxes | undefined> {
  if (kindOf(directory) === 'file') return await boxesOfFile(await rootOf(directory))
  // Real, so that every comparison of paths is one of text.
  let root = await rootOf(directory)
  for (let depth = 0; depth <= deepest; depth++) {
    const found = await findIn(root)
    if (found !== undefined) return found
    const { folders, files } = await listFolder(root, root)
    if (folders.length !== 1 || files.length > 0) return undefined
    root = await rootOf(join(root, folders[0]!))
  }
  return undefined
}

async function boxesOfFile(file: string): Promise<FoundBoxes | undefined> {
  if (/\.ya?ml$/i.test(file)) {
    const [root, yolo] = [dirname(file), { yaml: file, names: undefined, splits: new Map() }]
    const read = (reading: BoxReading): Promise<BoxFolder> => readYoloFolder(root, yolo, reading)
    return { format: 'yolo', isCocoItself: false, root, read }
  }
  const coco = await cocoFile(file)
  if (coco === undefined) return undefined
  const { root, files } = coco
  return {
    ...{ format: 'coco', isCocoItself: false, root },
    read: reading => readCocoFolder(root, files, reading),
  }
}

async function findIn(root: string): Promise<FoundBoxes | undefined> {
  const coco = await findCocoFiles(root)
  const yolo = await findYoloFiles(root)
  const voc = await findVocFiles(root)
  const found: FoundBoxes[] = []
  if (coco !== undefined && !(coco.isGuess && (yolo ?? voc) !== undefined)) {
    const isCocoItself = /^(annotations\/instances_\*2017|instances_\*)\.json$/.test(coco.pattern)
    found.push({ format: 'coco', isCocoItself, root, read: reading => readCocoFolder(root, coco, reading) })
  }
  if (yolo !== undefined)
    found.push({
      format: 'yolo',
      isCocoItself: false,
      root,
      read: reading => readYoloFolder(root, yolo, reading),
    })
  if (voc !== undefined)
    found.push({
      format: 'voc',
      isCocoItself: false,
      root,
      read: reading => readVocFolder(root, voc, reading),
    })
  // COCO's annotations of val alone are in folders of Ultralytics, for evaluation.
  const isPart = coco !== undefined && !coco.files.has('train') && !coco.files.has('all')
  const chosen = isPart ? (found[1] ?? found[0]) : found[0]
  if (chosen === undefined) return undefined
  const others = found.filter(each => each !== chosen)
  if (others.length === 0) return chosen
  const names = others.map(({ format }) => boxFormats[format]).join(' and ')
  return {
    ...chosen,
    read: async reading => {
      const folder = await chosen.read(reading)
      return {
        ...folder,
        notices: [...folder.notices, `annotations of ${names} are there as well, and not used`],
      }
    },
  }
}

/** Reads a folder in whatever format it is. @throws MoietyError of kind `data` that lists the layouts, for one in none of them */
export async function readBoxes(directory: string, reading: BoxReading): Promise<BoxFolder> {
  const found = await findBoxes(directory)
  if (found !== undefined) return await found.read(reading)
  if (kindOf(directory) === 'file')
    return fail({
      kind: 'data',
      message:
        'expected a file in the format of COCO (images, annotations and categories) or a data.yaml, found another file',
      where: directory,
      help: 'give the folder of the data set; docs/guide/detection-data.md shows the layouts',
    })
  const { folders, files } = await listFolder(await rootOf(directory), resolve(directory))
  const names = [...folders.map(name => `${name}/`), ...files]
  const there =
    names.length === 0
      ? 'nothing'
      : `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
  return fail({
    kind: 'data',
    message: `expected annotations in one of these layouts: ${layouts}; found ${there}`,
    where: directory,
    help: 'unpack annotations and images into one folder; for COCO anywhere else set data.annotations and data.images',
  })
}

const layouts = [
  'COCO (annotations/instances_train2017.json and train2017/; instances_train.json and images/; train/_annotations.coco.json; result.json and images/; likewise for val and test)',
  'YOLO (data.yaml; images/train/ and labels/train/; train/images/ and train/labels/)',
  'Pascal VOC (Annotations/, JPEGImages/ and ImageSets/Main/; XML files next to images in train/)',
].join('; ')
