/**
 * What each expert has become: routing records, information, captions, agreement between runs.
 *
 * @module
 */

export type { ConstraintKind } from '../moe/index.ts'
export type { AnalysisOptions, Pictures, TableFile } from './analysed.ts'
export { type CompareOptions, compareRuns } from './compare-runs.ts'
export {
  type ComparedLayer,
  type ComparedRun,
  type Group,
  groupsOf,
  type Spread,
} from './comparison.ts'
export type { PictureOfMisses, PictureOfScene } from './detection/scene-pictures.ts'
export { type ExplainOptions, type Explanation, explainRun } from './explain-run.ts'
export {
  type ClassificationExtras,
  type DetectionExtras,
  type ExpertFindings,
  type Findings,
  findings,
  type GroupingFindings,
  groupingOf,
  type LayerFindings,
  type MultiLabelExtras,
} from './findings.ts'
export type { PictureOfImage } from './pictures.ts'
