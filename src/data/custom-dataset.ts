import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator, Registry } from '../base/component.ts'
import type { ArrayData } from './array-data.ts'
import { type DataName, dataNames } from './data-names.ts'
import type { Dataset, OnProgress } from './dataset.ts'

/** Opens images of one class each. */
export type OpenCustomData = (facts: {
  /** `data.directory`; null where none is given. */
  readonly directory: string | null
  /** `data.size`: the height and width of images that are resized. */
  readonly size: number | undefined
  readonly onProgress: OnProgress
}) => Promise<Dataset | ArrayData> | Dataset | ArrayData

/** A data set that a configuration can name. */
export type DatasetDefinition = Creator<'dataset', OpenCustomData>

/**
 * Defines a data set, so that a configuration can name it: `data.name`, with its options in `data.options`.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineDataset<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, OpenCustomData>,
) {
  return defineCreator('dataset', spec)
}

/** Data sets that a program or `--use` has added. */
export const datasets = new Registry<DatasetDefinition, readonly []>('dataset', [])

/** What `data.name` may be now. The type knows the data sets that come with Moiety; what was added has a name of its own. */
export const allDataNames = (): readonly DataName[] =>
  [...dataNames, ...datasets.names()] as readonly string[] as readonly DataName[]
