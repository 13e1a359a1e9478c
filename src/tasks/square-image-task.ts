import type { Config } from '../config/config.ts'
import { type SkippedFile, type Split, type SplitName, splitNamed } from '../data/index.ts'
import type { TrainEvent } from '../run/events.ts'
import type { BatchForm } from './objective.ts'
import { SquareBatches } from './square-batches.ts'
import type { StoredPicture } from './task.ts'

type SquareSplit = Pick<Split, 'length' | 'load' | 'names'>

/** Data whose images are all squares of one size. */
interface SquareImages {
  readonly title: string
  readonly size: number
  readonly train: SquareSplit
  readonly val?: SquareSplit | undefined
  readonly test: SquareSplit
  readonly skipped: readonly SkippedFile[]
  readonly notices?: readonly string[] | undefined
}

/** What tasks on square images share: how the images come in batches, and what was found when they were opened. */
export abstract class SquareImageTask<Data extends SquareImages> {
  readonly #batches: SquareBatches

  /** @param order - of an epoch, other than all images once at random */
  constructor(
    readonly config: Config,
    readonly data: Data,
    order?: (epoch: number) => Uint32Array,
  ) {
    this.#batches = new SquareBatches(config, data.train.length, data.size, order)
  }

  get notices(): TrainEvent[] {
    const { skipped, notices = [] } = this.data
    return [
      ...(skipped.length === 0 ? [] : [{ kind: 'skipped', files: skipped } as const]),
      ...notices.map(message => ({ kind: 'warning', message }) as const),
    ]
  }

  get stepsPerEpoch(): number {
    return this.#batches.stepsPerEpoch
  }

  forms(epoch: number): BatchForm[] {
    return this.#batches.forms(epoch)
  }

  work(epoch: number): number {
    return this.#batches.work(epoch)
  }

  batches(epoch: number): Uint32Array[] {
    return this.#batches.batches(epoch)
  }

  imageNames(split: SplitName): readonly string[] | undefined {
    return splitNamed(this.data, split).names
  }

  async pictures(split: SplitName, images: readonly number[]): Promise<StoredPicture[]> {
    const { size } = this.data
    const pixels = await splitNamed(this.data, split).load(images)
    const bytes = 3 * size * size
    return images.map((_, i) => ({
      pixels: pixels.subarray(i * bytes, (i + 1) * bytes),
      width: size,
      height: size,
    }))
  }

  /** The form of a batch of so many images. */
  protected form(images: number, epoch: number): BatchForm {
    return this.#batches.form(images, epoch)
  }
}
