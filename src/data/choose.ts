import { kindOf } from '../files/disk.ts'
import { findCifar } from './cifar.ts'
import { allDataNames } from './custom-dataset.ts'
import type { DataName } from './data-names.ts'
import { findBoxes } from './detection/index.ts'
import { holdsLabels } from './multi-label/index.ts'

/** A data set by its name, and where it lies; null for what is drawn, or fetched to a place that is given elsewhere. */
export interface ChosenData {
  readonly name: DataName
  readonly directory: string | null
}

/** The data set that a text names, or that the folder or labels file of that path holds; undefined where it is neither. */
export async function recognisedData(text: string): Promise<ChosenData | undefined> {
  const named = allDataNames().find(name => name === text)
  if (named !== undefined) return { name: named, directory: null }
  const labelled = { name: 'multi-label', directory: text } as const
  switch (kindOf(text)) {
    case 'folder': {
      const cifar = await findCifar(text)
      if (cifar !== undefined) return { name: cifar, directory: text }
      const boxes = await findBoxes(text)
      if (boxes !== undefined) return { name: boxes.isCocoItself ? 'coco' : 'boxes', directory: text }
      return holdsLabels(text) ? labelled : { name: 'folder', directory: text }
    }
    case 'file':
      return holdsLabels(text) ? labelled : undefined
    default:
      return undefined
  }
}
