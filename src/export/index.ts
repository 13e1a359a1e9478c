/**
 * Export: a trained run as one ONNX file, and as a folder for a model hub.
 *
 * @module
 */
export { type ExportOptions, type ExportSummary, exportRun } from './export-run.ts'
export type { ModelMetadata } from './metadata.ts'
export type { ModelForm } from './model.ts'
export { readMetadata } from './read-metadata.ts'
