import { fail } from '../../base/errors.ts'
import type { Limit, OnProgress } from '../dataset.ts'
import type { DetectionDataset } from './dataset.ts'

/** How scenes are drawn and kept. */
export interface ScenesOptions {
  readonly size: number
  readonly limit: Limit
  readonly seed?: number | undefined
  readonly cacheDirectory?: string | undefined
}

export async function openScenes(_options: ScenesOptions, _progress?: OnProgress): Promise<DetectionDataset> {
  return fail({
    kind: 'usage',
    message: 'drawn scenes are not there yet',
    where: 'data.name',
    help: 'use coco',
  })
}
