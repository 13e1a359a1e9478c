/** What `data.name` may be. */
export const dataNames = ['sample', 'cifar10', 'cifar100', 'folder', 'multi-label', 'scenes', 'coco'] as const

/** The name of a data set. */
export type DataName = (typeof dataNames)[number]

/** Whether a data set is drawn from artwork and needs no folder. */
export function isDrawn(name: DataName): boolean {
  return name === 'sample' || name === 'scenes'
}

/** Whether the images are a user's own: the folder says which data set it is, where others are the same wherever they lie. */
export function isOfFolder(name: unknown): boolean {
  return name === 'folder' || name === 'multi-label'
}
