import type { OnProgress } from '../dataset.ts'
import { holdsLabels } from '../tables/find-label-files.ts'
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
  return await readClassFolders(directory, options)
}
