import type { z } from 'zod'
import {
  type Creator,
  type CreatorSpec,
  createNamed,
  defineCreator,
  type NamedOptions,
  Registry,
} from '../base/component.ts'
import type { Tensor } from '../graph/index.ts'
import { checkedTensor } from '../nn/contract.ts'

/**
 * The loss of each image, float32 [N]; training minimises its mean over a batch, evaluation reports its mean over a split.
 *
 * @param logits - float32 [N, C]
 * @param targets - float32 [N, C]: of images with one class each, rows that sum to 1 (one-hot, smoothed or mixed); of images with any
 *   number of classes, from 0 to 1 for each
 */
export type Loss = (logits: Tensor, targets: Tensor, facts: { readonly classes: number }) => Tensor

/** A loss that a configuration can name. */
export type LossDefinition = Creator<'loss', Loss>

/**
 * Defines a loss for networks that give a logit for each class, so that a configuration can name it:
 * `training.loss = { name, ...options }`. Without one it is the cross-entropy, of several labels an image the binary cross-entropy.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineLoss<const Name extends string, Options extends z.ZodRawShape>(
  spec: CreatorSpec<Name, Options, Loss>,
) {
  return defineCreator('loss', spec)
}

/** The loss that a configuration names; undefined for the usual one. */
export function namedLoss(named: NamedOptions | undefined): Loss | undefined {
  return named && createNamed(losses, named)
}

/** Losses that a program or `--use` has added. */
export const losses = new Registry<LossDefinition, readonly []>('loss', [])

/** The loss of each image by a loss of the user's own. @throws MoietyError (usage) for anything but float32 [N] */
export function lossOf(loss: Loss, logits: Tensor, targets: Tensor): Tensor {
  const { graph } = logits
  return checkedTensor(loss(logits, targets, { classes: Number(logits.dim(1)) }), {
    who: 'a loss',
    graph,
    where: 'training.loss',
    returns: 'the loss of each image',
    dtype: 'float32',
    shape: [logits.dim(0)],
    help: 'sum or average over the classes, not over the images: sum(x, [1])',
  })
}
