import type { Config } from '../config/config.ts'
import { sizeAt } from '../config/resizing.ts'
import { epochOrder } from '../data/batches.ts'
import type { BatchForm } from './objective.ts'

/** How images that are all squares of one size come in batches: the order of an epoch, and the form of each batch. */
export class SquareBatches {
  readonly stepsPerEpoch: number

  /**
   * @param images - how many there are to train on
   * @param size - their height and width
   * @param order - of an epoch, other than all images once at random
   */
  constructor(
    readonly config: Pick<Config, 'seed' | 'training'>,
    readonly images: number,
    readonly size: number,
    readonly order?: (epoch: number) => Uint32Array,
  ) {
    this.stepsPerEpoch = Math.ceil(images / config.training.batch)
  }

  /** The forms of an epoch's batches; the last one is smaller where the batch does not divide the images. */
  forms(epoch: number): BatchForm[] {
    const { images } = this
    const { batch } = this.config.training
    const rest = images % batch
    const sizes = images < batch ? [images] : rest === 0 ? [batch] : [batch, rest]
    return sizes.map(count => this.form(count, epoch))
  }

  /** An image's pixels. */
  work(epoch: number): number {
    return this.#sizeIn(epoch) ** 2
  }

  /** Numbers of the images of each batch of an epoch, in order. */
  batches(epoch: number): Uint32Array[] {
    const { batch } = this.config.training
    const order = this.order?.(epoch) ?? epochOrder(this.images, this.config.seed, epoch)
    return Array.from({ length: this.stepsPerEpoch }, (_, i) => order.subarray(i * batch, (i + 1) * batch))
  }

  /** The form of a batch of so many images. */
  form(images: number, epoch: number): BatchForm {
    const size = this.#sizeIn(epoch)
    return { images, height: size, width: size }
  }

  #sizeIn(epoch: number): number {
    return sizeAt(this.config.training.resizing, epoch) ?? this.size
  }
}
