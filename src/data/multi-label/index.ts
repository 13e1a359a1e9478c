/**
 * Images that show several classes each: labels from CSV and JSON.
 *
 * @module
 */

export type { MultiLabelDataset, MultiLabelSplit } from './multi-label-dataset.ts'
export { type MultiLabelOptions, openMultiLabel } from './open-multi-label-dataset.ts'
