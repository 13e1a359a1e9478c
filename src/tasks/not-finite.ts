import { fail } from '../base/errors.ts'

/** @throws MoietyError `diverged` for a network whose loss on a split is not finite */
export function refuseNotFinite(loss: number, images: number): never {
  return fail({
    kind: 'diverged',
    message: `the loss over ${images} images is ${loss}: what the network computes is not finite`,
    where: 'loss',
    help: 'train again with a lower optimizer.learningRate, or with training.clipNorm',
  })
}
