import { kindOf } from '../files/disk.ts'
import { findCifar } from './cifar.ts'
import { allDataNames, type DataName } from './datasets/registry.ts'
import { findBoxes } from './detection/index.ts'
import { holdsParquet } from './labelled/parquet-images.ts'
import { holdsShards } from './labelled/shard-images.ts'
import { holdsLabels, holdsSeveralLabels } from './tables/find-label-files.ts'

/** A data set by its name, and where it lies; null for what is drawn, or fetched to a place that is given elsewhere. */
export interface ChosenData {
  readonly name: DataName
  readonly directory: string | null
}

/** The data set that a text names, or that the folder or file of that path holds; undefined where it is neither. */
export async function recognisedData(text: string): Promise<ChosenData | undefined> {
  const named = allDataNames().find(name => name === text)
  if (named !== undefined) return { name: named, directory: null }
  switch (kindOf(text)) {
    case 'folder': {
      const cifar = await findCifar(text)
      if (cifar !== undefined) return { name: cifar, directory: text }
      const boxes = await findBoxes(text)
      if (boxes !== undefined) return { name: boxes.isCocoItself ? 'coco' : 'boxes', directory: text }
      return { name: await labelledName(text), directory: text }
    }
    case 'file':
      if ((await findBoxes(text)) !== undefined) return { name: 'boxes', directory: text }
      if (holdsLabels(text)) return { name: await labelledName(text), directory: text }
      return (await holdsParquet(text)) || (await holdsShards(text))
        ? { name: 'folder', directory: text }
        : undefined
    default:
      return undefined
  }
}

/** Whether the images of a folder or of a labels file have one class each, which `folder` reads, or any number. */
async function labelledName(path: string): Promise<'folder' | 'multi-label'> {
  return holdsLabels(path) && (await holdsSeveralLabels(path)) ? 'multi-label' : 'folder'
}
