import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator } from '../../base/component.ts'
import { fail } from '../../base/errors.ts'
import { showValue } from '../../base/schemas.ts'
import type { ArrayData, BoxArrayData, LabelArrayData } from '../array-data.ts'
import type { Dataset, OnProgress } from '../dataset.ts'
import type { DetectionDataset } from '../detection/detection-dataset.ts'
import type { MultiLabelDataset } from '../multi-label/multi-label-dataset.ts'
import type { DataTask } from './dataset-facts.ts'

/** What a data set of each task opens as: arrays, or splits that load images by number. */
export interface OpenedData {
  readonly classification: Dataset | ArrayData
  readonly 'multi-label': MultiLabelDataset | LabelArrayData
  readonly detection: DetectionDataset | BoxArrayData
}

/** What a data set is opened with. */
export interface OpenFacts {
  /** `data.directory`; null where none is given. */
  readonly directory: string | null
  /** `data.size`: the height and width of images that are resized. */
  readonly size: number | undefined
  readonly onProgress: OnProgress
}

/** Opens the images of a task. */
export type OpenCustomData<Task extends DataTask = DataTask> = (
  facts: OpenFacts,
) => Promise<OpenedData[Task]> | OpenedData[Task]

/** A data set that a configuration can name. */
export type DatasetDefinition = Creator<'dataset', OpenCustomData> & { readonly task: DataTask }

const tasks: readonly DataTask[] = ['classification', 'multi-label', 'detection']

/**
 * Defines a data set, so that a configuration can name it: `data.name`, with its options in `data.options`. Its `task` says what
 * the images come with; by default one class each.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineDataset<
  const Name extends string,
  Options extends z.ZodRawShape,
  const Task extends DataTask = 'classification',
>(spec: CreatorSpec<Name, Options, OpenCustomData<Task>> & { readonly task?: Task }) {
  const task = (spec.task ?? 'classification') as Task
  if (tasks.includes(task)) return defineCreator('dataset', { ...spec, task })
  return fail({
    kind: 'usage',
    message: `expected a task, one of ${tasks.join(', ')}, came ${showValue(task)}`,
    where: `the dataset "${spec.name}"`,
    help: 'leave it out for images with one class each',
  })
}
