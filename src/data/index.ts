/** Datasets, augmentation, batches. */
export type { Augmentation } from './augmentation.ts'
export { type Batch, type BatchOptions, epochOrder, makeBatch } from './batches.ts'
export { findCifar } from './cifar.ts'
export type { Dataset, OnProgress, PerChannel, Progress, SkippedFile, Split } from './dataset.ts'
export { type DataOptions, openDataset } from './open.ts'
