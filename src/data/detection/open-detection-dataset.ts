import { fail } from '../../base/errors.ts'
import type { Limit, OnProgress } from '../dataset.ts'
import type { DataName } from '../datasets/registry.ts'
import { openOwn } from '../own-data.ts'
import type { CacheOptions } from '../pixels/cache-options.ts'
import { canvasRule } from './canvas.ts'
import type { DetectionDataset } from './detection-dataset.ts'
import { openBoxes } from './open-boxes.ts'
import type { SplitPaths } from './read-coco.ts'
import { openScenes } from './scenes.ts'

/** The `data` section of a configuration; null is like undefined. */
export interface DetectionDataOptions extends CacheOptions {
  /** `boxes` and `coco` are a folder in the format of COCO, YOLO or Pascal VOC. */
  readonly name: DataName
  /** Of a data set of the user's own. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** Folder of the files; required except for `scenes`, and where `annotations` are given. */
  readonly directory?: string | null | undefined
  /** Longest side of the canvas in pixels. Default: 128 for scenes, 320 for images. */
  readonly size?: number | undefined
  /** Its shorter side in pixels, for images. Default, or if equal to `size`: a square canvas. */
  readonly shortest?: number | null | undefined
  /** Policy for images that cannot be used: stop with an error (default), or skip and report. */
  readonly unreadable?: 'stop' | 'skip' | undefined
  /** Policy for files with many implausible boxes: stop with an error (default), or use them. */
  readonly implausibleBoxes?: 'stop' | 'accept' | undefined
  /** Annotation files in COCO's format, relative to `directory`, and the folders of their images. Default: found. */
  readonly annotations?: SplitPaths | null | undefined
  readonly images?: SplitPaths | null | undefined
  /** Whether mistakes in annotations are refused instead of repaired and reported. Default: false. */
  readonly strict?: boolean | undefined
  /** At most this many scenes of each split, the first ones. */
  readonly limit?: Limit | undefined
  /** Seed of the drawing of scenes, and of the division of a folder without splits. Default: 0. */
  readonly seed?: number | undefined
  /** Cache folder of the drawn scenes; see `cacheDirectory`. */
  readonly cacheDirectory?: string | undefined
}

/**
 * Opens images with boxes, and checks everything that can be checked without decoding images.
 *
 * @throws MoietyError of kind `data` for files that are missing, damaged or refused; `usage` for options that
 *   are missing or invalid
 */
export async function openDetectionDataset(
  options: DetectionDataOptions,
  progress?: OnProgress,
): Promise<DetectionDataset> {
  const { name, directory, shortest, unreadable = 'stop', limit = {}, seed, cacheDirectory } = options
  const { implausibleBoxes = 'stop' } = options
  checkLimit(limit.train, 'train')
  checkLimit(limit.test, 'test')
  const own = await openOwn('detection', options, progress)
  if (own !== undefined) return own
  if (name === 'scenes') {
    const { size = 128 } = options
    const square = shortest === undefined || shortest === null || shortest === size
    if (!square) {
      fail({
        kind: 'usage',
        message: `expected no shorter side for drawn scenes, which are square, got ${shortest}`,
        where: 'data.shortest',
        help: 'omit it',
      })
    }
    return openScenes({ size, limit, seed, cacheDirectory }, progress)
  }
  if (name !== 'coco' && name !== 'boxes')
    return fail({
      kind: 'usage',
      message: `a detector learns from boxes, and ${name} has none`,
      where: 'data.name',
      help: 'take scenes, coco or boxes',
    })
  const { annotations, images, strict = false, cache, cacheLimit } = options
  if ((directory === undefined || directory === null) && !annotations?.train) {
    return fail({
      kind: 'usage',
      message: 'expected the folder of annotations and images, got none',
      where: 'data.directory',
      help: '--data DIR; docs/guide/detection-data.md shows its layout',
    })
  }
  const rule = canvasRule(options.size ?? 320, shortest)
  return openBoxes(
    {
      ...{ name, rule, unreadable, limit, implausibleBoxes, strict, cache, cacheLimit },
      ...{
        directory: directory ?? null,
        annotations: annotations ?? {},
        images: images ?? {},
        seed: seed ?? 0,
      },
    },
    progress,
  )
}

function checkLimit(count: number | null | undefined, side: 'train' | 'test'): void {
  if (count === undefined || count === null || (Number.isInteger(count) && count >= 1)) return
  fail({
    kind: 'usage',
    message: `expected a positive integer as the number of scenes, got ${count}`,
    where: `data.limit.${side}`,
    help: 'omit the limit to use all scenes',
  })
}
