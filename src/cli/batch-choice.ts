import { fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { dataFacts } from '../data/data-facts.ts'
import { openTask } from '../tasks/kinds.ts'
import { automaticBatch, inMegabytes, measureInProcess } from '../train/automatic-batch.ts'
import type { TrainFlags } from './flags.ts'

const isAuto = (text: string): boolean => /^\s*training\.batch\s*=\s*"?auto"?\s*$/.test(text)

/** Whether the batch is to be chosen, by `--batch auto` or `--set training.batch=auto`. @throws MoietyError `usage` for `--memory` without it */
export function wantsAutomaticBatch({ batch, set, memory, resume, resumeAuto }: TrainFlags): boolean {
  const wants = batch === 'auto' || set.some(isAuto)
  if (!wants && memory !== undefined)
    fail({
      kind: 'usage',
      message: '--memory says how much memory a batch is chosen for, and none is to be chosen',
      where: '--memory',
      help: 'add --batch auto, or leave --memory out',
    })
  if (wants && (resume === true || resumeAuto === true))
    fail({
      kind: 'usage',
      message: 'a run that is resumed keeps its batch',
      where: '--batch auto',
      help: 'leave it out',
    })
  return wants
}

/** The flags without what {@link wantsAutomaticBatch} finds. */
export function withoutAutomaticBatch(flags: TrainFlags): TrainFlags {
  const { batch, memory: _, ...rest } = flags
  const set = flags.set.filter(text => !isAuto(text))
  return { ...rest, set, ...(batch === undefined || batch === 'auto' ? {} : { batch }) }
}

/** How much of what is available a training may take where nothing is said. */
const usualShare = 0.8

/** Decoded images are kept in memory up to this; beyond it they are decoded when they are needed. */
const mostPixels = 2 ** 30

/**
 * A configuration with the batch that the memory allows, and what was measured.
 *
 * @param onMeasure - called before steps are taken in a process, which takes seconds to minutes
 * @throws MoietyError `usage`, `data`
 */
export async function withAutomaticBatch(
  config: Config,
  memory: string | undefined,
  onMeasure: (batch: number) => void,
): Promise<{ readonly config: Config; readonly notes: readonly string[] }> {
  if (config.engine.device !== 'cpu')
    fail({
      kind: 'usage',
      message: `memory is measured of a process, and ${config.engine.device} has memory of its own`,
      where: '--batch auto',
      help: 'give a number: --batch 32',
    })
  const budget = memory === undefined ? usualShare * process.availableMemory() : bytesIn(memory)
  const { data } = config
  const { images, classes } = (await dataFacts(data)) ?? (await openedFacts(config))
  const isDecoded = data.name === 'folder' || data.name === 'multi-label'
  const pixels = isDecoded ? images * 3 * data.size ** 2 : 0
  const measure = measureInProcess(config, { classes })
  const { batch, bytes, limit } = await automaticBatch(
    { memory: budget, images, pixels: pixels > mostPixels ? 0 : pixels },
    async tried => {
      onMeasure(tried)
      return await measure(tried)
    },
  )
  const because =
    limit === 'memory'
      ? 'twice as many would not fit'
      : 'larger ones would leave fewer than ten steps in an epoch, or are of no use'
  const usual = config.training.batch
  const rate = config.optimizer.learningRate
  const scaled = Number(((rate * batch) / usual).toPrecision(2))
  return {
    config: { ...config, training: { ...config.training, batch } },
    notes: [
      `batches of ${batch} images: the training takes about ${inMegabytes(bytes)} of ${inMegabytes(budget)}, measured; ${because}`,
      ...(batch === usual
        ? []
        : [
            `the learning rate stays ${rate}, which is for batches of ${usual}; in proportion it is --lr ${scaled}`,
          ]),
    ],
  }
}

/** Of data of which nothing is known before it is opened: the sample, drawn scenes, and data sets of the user's own. */
async function openedFacts(config: Config): Promise<{ readonly images: number; readonly classes: number }> {
  const { data } = await openTask(config)
  return { images: data.train.length, classes: data.classes.length }
}

const units: Readonly<Record<string, number>> = {
  ...{ '': 1, b: 1, k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, g: 1e9, gb: 1e9 },
  ...{ kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 },
}

/** @throws MoietyError `usage` for a text that is no amount of memory */
export function bytesIn(text: string): number {
  const [, amount, unit = ''] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? []
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined
  if (amount !== undefined && factor !== undefined && Number(amount) > 0) return Number(amount) * factor
  return fail({
    kind: 'usage',
    message: `expected an amount of memory, came "${text}"`,
    where: '--memory',
    help: 'for example --memory 4GB or --memory 800MB',
  })
}
