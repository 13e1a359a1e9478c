/**
 * Who does what: where a trained network sends which images, what each expert can, and whether all that is more than chance.
 *
 * @module
 */

export { type CompareOptions, compareRuns } from './compare-runs.ts'
export {
  type ComparedLayer,
  type ComparedRun,
  type ConstraintKind,
  type Group,
  groupsOf,
  type Spread,
} from './comparison.ts'
export {
  type DetectorExplanation,
  type DetectorFindings,
  type DetectorLayerFindings,
  detectorFindings,
  type ExplainDetectorOptions,
  explainDetectorRun,
  type PictureOfScene,
} from './detection/index.ts'
export { type ExplainOptions, type Explanation, explainRun } from './explain-run.ts'
export { type ExpertFindings, type Findings, findings, type LayerFindings } from './findings.ts'
export type { PictureOfImage } from './pictures.ts'
export { type Prediction, type Predictions, type PredictOptions, predictRun } from './predict-run.ts'
