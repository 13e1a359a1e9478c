/** What `data.name` may be, besides the data sets that a user adds. */
export const dataNames = [
  'sample',
  'cifar10',
  'cifar100',
  'folder',
  'multi-label',
  'scenes',
  'coco',
  'boxes',
] as const

/** The name of a data set. */
export type DataName = (typeof dataNames)[number]

/** Whether a data set is read from a folder: not what is drawn from artwork; a user's own says itself what it needs. */
export function needsFolder(name: string): boolean {
  return isBuiltIn(name) && name !== 'sample' && name !== 'scenes'
}

function isBuiltIn(name: unknown): boolean {
  return dataNames.some(one => one === name)
}

/** Whether the images are a user's own: the folder says which data set it is, where others are the same wherever they lie. */
export function isOfFolder(name: unknown): boolean {
  return name === 'folder' || name === 'multi-label' || !isBuiltIn(name)
}
