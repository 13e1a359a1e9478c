/** Datasets, augmentation, batches. */
export type { Augmentation } from './augmentation.ts'
export { type Batch, type BatchOptions, epochOrder, makeBatch } from './batches.ts'
export { findCifar, openCifar } from './cifar.ts'
export type { Dataset, OnProgress, PerChannel, Progress, SkippedFile, Split } from './dataset.ts'
export { type FolderOptions, openFolder } from './folder.ts'
export { decodeImage, UnreadableImage } from './image.ts'
export { type DataOptions, openDataset } from './open.ts'
export { cacheDirectory, openSample, type SampleOptions } from './sample.ts'
