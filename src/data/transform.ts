import type { z } from 'zod'
import { type Creator, type CreatorSpec, defineCreator } from '../base/component.ts'
import type { Draws } from '../base/random.ts'

/**
 * Changes one training image in place, before it is flipped, cropped and normalised.
 *
 * @param image - float32 [3, size, size], planar RGB, 0 … 255
 */
export type Transform = (
  image: Float32Array,
  facts: {
    /** Height and width in pixels. */
    readonly size: number
    /** Random numbers of (seed, epoch, image): a training that is resumed draws the same. */
    readonly draws: Draws
  },
) => void

/** A transform that a configuration can name. */
export type TransformDefinition = Creator<'transform', Transform>

/**
 * Defines a change of training images, so that a configuration can name it in `augmentation.transforms`.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineTransform<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, Transform>,
) {
  return defineCreator('transform', spec)
}
