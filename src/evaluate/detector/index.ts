/**
 * Evaluating a detector: what it finds, how good that is by COCO's measures, and which experts did it.
 *
 * @module
 */
export { DetectorEvaluator, type EvaluateDetectorOptions } from './evaluate-detector.ts'
export {
  type CategorySummary,
  type DetectorEvalOptions,
  type DetectorEvalSummary,
  evaluateDetectorRun,
  sizesOf,
} from './evaluate-detector-run.ts'
export { layerSummaries } from './preference.ts'
export { type DetectorProgram, type DetectorProgramOptions, detectorProgram } from './program.ts'
export {
  type DetectorRecords,
  type FoundObject,
  type RoutedLayer,
  type TrueObject,
  weightsAt,
} from './records.ts'
export {
  isDetectorRun,
  type OpenDetectorOptions,
  openTrainedDetector,
  type TrainedDetector,
} from './trained-detector.ts'
