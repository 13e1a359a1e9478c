import { fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { askProcess } from '../runtime/ask-process.ts'
import { builtFile } from '../runtime/thread.ts'
import type { MeasuredTraining } from './measured-training.ts'

/** What a batch is chosen for. */
export interface BatchBudget {
  /** Bytes that the training may take. */
  readonly memory: number
  /** How many images there are to train on. */
  readonly images: number
  /** Bytes of decoded images that a training keeps in memory besides. */
  readonly pixels: number
}

/** A batch, and why it is that one. */
export interface ChosenBatch {
  readonly batch: number
  /** Bytes that were measured with it, and those of decoded images. */
  readonly bytes: number
  readonly limit: 'memory' | 'images'
}

/** Bytes that a training with so many images in a batch takes. @throws MoietyError where it cannot be measured */
export type MeasureBatch = (batch: number) => Promise<number>

/** An epoch has so many steps or more: with fewer, statistics and rates would change from image to image of an epoch. */
const leastSteps = 10
const least = 2
const most = 1024

/**
 * The largest power of two as a batch whose training fits. Memory grows in a line with the batch, so that two small ones tell about the
 * others; the one that is chosen is measured, and the next smaller one where it takes more.
 *
 * @throws MoietyError `usage` where not even the smallest fits
 */
export async function automaticBatch(
  { memory, images, pixels }: BatchBudget,
  measure: MeasureBatch,
): Promise<ChosenBatch> {
  const largest = powerOfTwo(Math.min(most, images / leastSteps))
  const [one, other] = [Math.min(4, largest), Math.min(16, largest)]
  const first = (await measure(one)) + pixels
  if (first > memory) {
    const smallest = one === least ? first : (await measure(least)) + pixels
    if (smallest > memory)
      fail({
        kind: 'usage',
        message: `expected a training to fit into ${inMegabytes(memory)}, but with ${least} images in a batch it takes ${inMegabytes(smallest)}`,
        where: '--memory',
        help: 'allow more, or take smaller images (--size) or a narrower network (--set model.width=16)',
      })
    return { batch: least, bytes: smallest, limit: 'memory' }
  }
  if (other === one) return { batch: one, bytes: first, limit: 'images' }
  const second = (await measure(other)) + pixels
  // What is measured of small batches may be the same to a few pages.
  const perImage = Math.max(1, (second - first) / (other - one))
  const fitting = one + (memory - first) / perImage
  let batch = Math.max(one, powerOfTwo(Math.min(largest, fitting)))
  let bytes = batch === one ? first : batch === other ? second : (await measure(batch)) + pixels
  while (bytes > memory && batch > one) {
    batch /= 2
    bytes = batch === one ? first : (await measure(batch)) + pixels
  }
  return { batch, bytes, limit: batch === largest ? 'images' : 'memory' }
}

/** The largest one that is not above a number, two at least. */
const powerOfTwo = (number: number): number =>
  2 ** Math.max(1, Math.floor(Math.log2(Math.max(least, number))))

export const inMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** A training of many steps took up to 1.4 times as much as three steps: checkpoints, logs, garbage that is not collected yet. */
const withReserve = (bytes: number): number => 1.25 * bytes + 64e6

/** Building and compiling a large network takes minutes on a busy machine. */
const patience = 600_000

/**
 * Measures a training's memory in a process of its own, which is not the one that trains: what was measured is given back.
 *
 * @throws MoietyError `usage` that gives the process's reason
 */
export function measureInProcess(
  config: Config,
  { classes, signal }: { readonly classes: number; readonly signal?: AbortSignal | undefined },
): MeasureBatch {
  return async batch => {
    // As many images as a batch and a test need, and one of each class.
    const limit = { train: Math.max(batch, classes), test: Math.max(batch, classes) }
    const small = {
      ...config,
      data: { ...config.data, limit },
      training: { ...config.training, batch },
    }
    const reply = await askProcess<MeasuredTraining>(
      builtFile('train/batch-process'),
      [JSON.stringify(small)],
      { patience, signal },
    )
    if ('answer' in reply && 'bytes' in reply.answer) return withReserve(reply.answer.bytes)
    const reason = 'failure' in reply ? reply.failure : 'reason' in reply.answer ? reply.answer.reason : ''
    return fail({
      kind: 'usage',
      message: `the memory of batches of ${batch} images could not be measured: ${reason}`,
      where: 'training.batch',
      help: 'give a number: --batch 32',
    })
  }
}
