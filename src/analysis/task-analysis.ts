import type { SplitName } from '../data/index.ts'
import type { Engine } from '../runtime/index.ts'
import type {
  Evaluated,
  EvaluatedVariants,
  Task,
  TaskKind,
  VariantOptions,
  VariantResult,
} from '../tasks/task.ts'
import type { Analysed, AnalysisOptions } from './analysed.ts'

/** What is analysed for one task in addition to what is for every task. */
export interface TaskAnalysis {
  /** The name of its `TaskKind`. */
  readonly task: string
  /** Evaluates a network and its variants. Undefined for a task of that name which is built in another way. */
  analyse(
    task: Task,
    engine: Engine,
    split: SplitName,
    options: AnalysisOptions & VariantOptions,
  ): Promise<Analysed> | undefined
}

/** The analysis of a built-in task. */
export function analysisOf<E extends Evaluated, V extends VariantResult, T extends Task<E, V>>(
  { name }: TaskKind,
  Built: abstract new (...words: never[]) => T,
  analysed: (
    task: T,
    split: SplitName,
    evaluated: EvaluatedVariants<E, V>,
    options: AnalysisOptions,
  ) => Analysed,
): TaskAnalysis {
  return {
    task: name,
    analyse(task, engine, split, options) {
      if (!(task instanceof Built)) return undefined
      const evaluating = task.withVariants(engine, split, { onEvent: options.onEvent })
      return evaluating.then(evaluated => analysed(task, split, evaluated, options))
    },
  }
}
