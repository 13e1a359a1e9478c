import { fail, MoietyError } from '../../base/errors.ts'
import type { OnProgress } from '../dataset.ts'
import { holdsLabels, unreadLabels } from '../tables/find-label-files.ts'
import { isPlaceOfImages } from '../tables/image-places.ts'
import { readClassFolders } from './class-folders.ts'
import type { LabelledImages, ReadOptions } from './labelled-images.ts'
import { holdsParquet, readParquetImages } from './parquet-images.ts'
import { holdsShards, readShardImages } from './shard-images.ts'
import { readTableImages } from './table-images.ts'

/**
 * Reads which images a data set has and their classes, in whichever of the known layouts it is.
 *
 * @throws MoietyError of kind `data` for a folder that is missing, malformed, or in no layout that is known
 */
export async function readLabelled(
  directory: string,
  options: ReadOptions,
  progress?: OnProgress,
): Promise<LabelledImages> {
  if (holdsLabels(directory)) return await readTableImages(directory, options)
  if (await holdsParquet(directory)) return await readParquetImages(directory, options, progress)
  if (await holdsShards(directory)) return await readShardImages(directory, options, progress)
  return await readFolders(directory, options)
}

/** Folders of classes; where they are refused, or are none, the error says what is wrong with a table that lies there. */
export async function readFolders(directory: string, options: ReadOptions): Promise<LabelledImages> {
  const read = await readClassFolders(directory, options).catch(async (cause: unknown) => {
    if (!(cause instanceof MoietyError) || cause.kind !== 'data') throw cause
    const table = await unreadLabels(directory)
    if (table === undefined) throw cause
    const { message, where, help } = cause
    return fail({
      kind: 'data',
      message: `${message}; labels are not in ${table}`,
      where: where ?? directory,
      help: help ?? '',
      cause,
    })
  })
  const [only, another] = read.classes
  if (another !== undefined || !isPlaceOfImages(only!)) return read
  const table = await unreadLabels(directory)
  return fail({
    kind: 'data',
    message: `expected a folder for each class, found images in ${only}/ alone${table === undefined ? '' : `; labels are not in ${table}`}`,
    where: directory,
    help: 'put images into the folders of their classes, or list them with their labels in a labels.csv (path,label); docs/guide/your-data.md has the other forms',
  })
}
