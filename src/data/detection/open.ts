import { fail } from '../../base/errors.ts'
import type { Limit, OnProgress } from '../dataset.ts'
import { needDirectory } from '../missing-directory.ts'
import { canvasRule } from './canvas.ts'
import { openCoco } from './coco.ts'
import type { DetectionDataset } from './dataset.ts'
import { openScenes } from './scenes.ts'

/** As the `data` part of a configuration has it; null is as good as left out. */
export interface DetectionDataOptions {
  readonly name: 'scenes' | 'coco'
  /** Where the files are; needed by `coco`. */
  readonly directory?: string | null | undefined
  /** Longest side of the canvas in pixels: 128 for scenes and 320 for images unless told. */
  readonly size?: number | undefined
  /** Its shorter side in pixels, for images; a square canvas unless told, or if equal to `size`. */
  readonly shortest?: number | null | undefined
  /** What an image that cannot be used does: end everything (the default) or be left out, and said. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** What a file does most of whose boxes cannot be right: end everything (the default) or be used. */
  readonly implausibleBoxes?: 'stop' | 'accept' | undefined
  /** At most so many scenes of each split, the first ones. */
  readonly limit?: Limit | undefined
  /** Decides how scenes are drawn; 0 unless told. */
  readonly seed?: number | undefined
  /** Where the drawn scenes are kept; see `cacheDirectory`. */
  readonly cacheDirectory?: string | undefined
}

/**
 * Opens images with boxes: checks all of it that can be checked without decoding images, and names what is wrong.
 *
 * @throws MoietyError of kind `data` for files that are missing, damaged or refused; `usage` for options that
 *   are not there or impossible
 */
export async function openDetectionDataset(
  options: DetectionDataOptions,
  progress?: OnProgress,
): Promise<DetectionDataset> {
  const { name, directory, shortest, unreadable = 'stop', limit = {}, seed, cacheDirectory } = options
  const { implausibleBoxes = 'stop' } = options
  checkLimit(limit.train, 'train')
  checkLimit(limit.test, 'test')
  if (name === 'scenes') {
    const { size = 128 } = options
    const square = shortest === undefined || shortest === null || shortest === size
    if (!square) {
      fail({
        kind: 'usage',
        message: `expected no shorter side for drawn scenes, which are square, got ${shortest}`,
        where: 'data.shortest',
        help: 'leave it out',
      })
    }
    return openScenes({ size, limit, seed, cacheDirectory }, progress)
  }
  const rule = canvasRule(options.size ?? 320, shortest)
  return openCoco(
    { directory: needDirectory({ name, directory }), rule, unreadable, limit, implausibleBoxes },
    progress,
  )
}

function checkLimit(count: number | null | undefined, side: 'train' | 'test'): void {
  if (count === undefined || count === null || (Number.isInteger(count) && count >= 1)) return
  fail({
    kind: 'usage',
    message: `expected a positive whole number of scenes, got ${count}`,
    where: `data.limit.${side}`,
    help: 'leave the limit out to use all scenes',
  })
}
