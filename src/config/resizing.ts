import type { TrainingConfig } from './config.ts'

/** The height and width to which images are shrunk in an epoch, counted from 0; undefined where they are as they are. */
export function sizeAt(resizing: TrainingConfig['resizing'], epoch: number): number | undefined {
  let begin = 0
  for (const { epochs, size } of resizing ?? []) {
    if (epoch < begin + epochs) return size
    begin += epochs
  }
  return undefined
}
