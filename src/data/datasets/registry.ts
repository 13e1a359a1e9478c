import { Registry } from '../../base/component.ts'
import { boxes, coco } from './boxes.ts'
import { cifar10, cifar100 } from './cifar.ts'
import type { DatasetFacts, DataTask } from './dataset-facts.ts'
import type { DatasetDefinition } from './define-dataset.ts'
import { folder } from './folder.ts'
import { multiLabel } from './multi-label.ts'
import { sample } from './sample.ts'
import { scenes } from './scenes.ts'

/** The data sets that come with Moiety. One is a file of this folder, a word of this list, and the function that opens it. */
const builtIn = [sample, cifar10, cifar100, folder, multiLabel, scenes, coco, boxes] as const

/** The name of a data set that comes with Moiety. */
export type DataName = (typeof builtIn)[number]['name']

/** The same, without their types. */
export const builtInDatasets: readonly DatasetFacts<DataName>[] = builtIn

/** Data sets that a program or `--use` has added. */
export const datasets = new Registry<DatasetDefinition, readonly []>('dataset', [])

/** What `data.name` may be now. The type knows the data sets that come with Moiety; what was added has a name of its own. */
export const allDataNames = (): readonly DataName[] =>
  [...builtIn.map(({ name }) => name), ...datasets.names()] as readonly string[] as readonly DataName[]

/** The facts of a data set that comes with Moiety. */
export function builtInDataset(name: unknown): DatasetFacts<DataName> | undefined {
  return builtInDatasets.find(one => one.name === name)
}

/** What the images of a data set come with. */
export function taskOfData(name: string): DataTask {
  return builtInDataset(name)?.task ?? datasets.find(name)?.task ?? 'classification'
}

/** Whether a data set is read from a folder: not what is drawn; a user's own says itself what it needs. */
export function needsFolder(name: string): boolean {
  const facts = builtInDataset(name)
  return facts !== undefined && facts.source !== 'drawn'
}

/** Whether the folder says which data set it is, where others are the same wherever they lie. Images with boxes are identified by their files. */
export function isOfFolder(name: unknown): boolean {
  const facts = builtInDataset(name)
  return facts === undefined || (facts.source === 'user' && facts.task !== 'detection')
}

/** The sides of a data set that a program or `--use` has added. */
const sizesOfOwn: Readonly<Record<DataTask, DatasetFacts['size']>> = {
  classification: { usual: 32, photographs: 224 },
  'multi-label': { usual: 32, photographs: 224 },
  detection: { usual: 320 },
}

/** Height and width of the images of a data set, or the longer side of those with boxes. */
export function sizesOf(name: string): DatasetFacts['size'] {
  return builtInDataset(name)?.size ?? sizesOfOwn[taskOfData(name)]
}
