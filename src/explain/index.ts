/**
 * Who does what: where a trained network sends which images, what each expert can, and whether all that is more than chance.
 *
 * @module
 */
export { type ExplainOptions, type Explanation, explainRun } from './explain-run.ts'
export { type ExpertFindings, type Findings, findings, type LayerFindings } from './findings.ts'
export type { PictureOfImage } from './pictures.ts'
