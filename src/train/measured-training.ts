import { resolveConfig } from '../config/config.ts'
import { loadComponents } from '../config/use.ts'
import { heldOutSplit } from '../data/index.ts'
import { startEngines } from '../runtime/engines.ts'
import { largestMemory } from '../runtime/largest-memory.ts'
import { openTask } from '../tasks/kinds.ts'
import { startingPoint } from './starting-point.ts'
import { TrainingPrograms } from './training-programs.ts'

/** The most memory that steps and a test took, or why there were none. */
export type MeasuredTraining = { readonly bytes: number } | { readonly reason: string }

/** Steps after which nothing new is allocated. */
const steps = 3

/**
 * Takes some steps and a test of a training in this process, on as many images as that needs.
 *
 * @returns the process's largest resident set so far, of all its threads
 */
export async function measureTraining(input: unknown): Promise<MeasuredTraining> {
  const files = (input as { readonly use?: { readonly files?: readonly string[] } }).use?.files ?? []
  await loadComponents(files)
  const config = resolveConfig(input, 'the configuration to measure')
  const { optimizer, training, seed } = config
  const engines = await startEngines({ ...config.engine, replicas: training.replicas, isTried: true })
  try {
    const task = await openTask(config)
    const { clipNorm, ema } = training
    const programs = new TrainingPrograms(
      engines,
      {
        write: form => ({ objective: task.objective(form), form, optimizer, clipNorm, ema }),
        accumulate: training.accumulate ?? 1,
      },
      seed,
    )
    // The last epoch has images of their own size, where they are resized.
    const epoch = training.epochs - 1
    const usual = await programs.for(task.forms(epoch)[0]!)
    await startingPoint({
      config,
      data: { identity: task.identity, title: task.data.title, categoryIds: task.data.categoryIds },
      engine: engines[0],
      step: usual.facts,
      checkpoint: undefined,
      epochsBefore: training.epochs,
      stepsPerEpoch: task.stepsPerEpoch,
      onNote: () => undefined,
    })
    await programs.spread(usual)
    for (let step = 0; step < steps; step++) {
      const batch = await task.load(task.batches(epoch)[0]!, epoch)
      await (await programs.for(batch.form)).take(batch, { step, epoch, rate: 0 })
    }
    const evaluation = task.evaluation(engines)
    await evaluation.run(heldOutSplit(task.data))
    return { bytes: largestMemory() }
  } finally {
    await Promise.all(engines.map(engine => engine.stop()))
  }
}
