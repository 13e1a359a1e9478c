/**
 * Evaluation: a classifier as a program, accuracy, utilisation of experts, preferred classes.
 *
 * @module
 */
export { type EvalOptions, type EvalSummary, evaluateRun } from './evaluate-run.ts'
export { type EvaluateOptions, evaluateSplit, type SplitResult } from './evaluate-split.ts'
export { type ClassWeights, preferredClasses } from './preference.ts'
export { type EvaluationProgram, evaluationProgram } from './program.ts'
export type { DataChoice } from './trained-run.ts'
export { livingShare, type UtilisationSums, utilisation, variation } from './utilisation.ts'
