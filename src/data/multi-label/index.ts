/**
 * Images that show several classes each: labels from CSV and JSON.
 *
 * @module
 */
export type { MultiLabelDataset, MultiLabelSplit } from './dataset.ts'
export { holdsLabels } from './find-labels.ts'
export { type MultiLabelOptions, openMultiLabel } from './open.ts'
