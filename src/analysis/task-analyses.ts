import type { SplitName } from '../data/index.ts'
import type { Engine } from '../runtime/index.ts'
import type { Task, VariantOptions } from '../tasks/task.ts'
import type { Analysed, AnalysisOptions } from './analysed.ts'
import { classificationAnalysis } from './classification-analysis.ts'
import { detectionAnalysis } from './detection/detection-analysis.ts'
import { analysedTask } from './general-analysis.ts'
import { multiLabelAnalysis } from './multi-label-analysis.ts'
import type { TaskAnalysis } from './task-analysis.ts'

/** The tasks of which more is analysed than of every task. */
const taskAnalyses: readonly TaskAnalysis[] = [classificationAnalysis, multiLabelAnalysis, detectionAnalysis]

/** Evaluates a network and its variants, with what its task knows of them. */
export async function analyse(
  task: Task,
  engine: Engine,
  split: SplitName,
  options: AnalysisOptions & VariantOptions,
): Promise<Analysed> {
  const own = taskAnalyses.find(one => one.task === task.kind.name)
  return (
    (await own?.analyse(task, engine, split, options)) ??
    analysedTask(task, await task.withVariants(engine, split, { onEvent: options.onEvent }))
  )
}
