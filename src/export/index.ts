/**
 * Export: a trained run as one ONNX file, and as a folder for a model hub.
 *
 * @module
 */
export { exportedDetector, type TrainedDetector } from './export-detector.ts'
export {
  type ExportedModel,
  exportedModel,
  type ModelForm,
  modelFile,
  type TrainedClassifier,
} from './export-model.ts'
export { type ExportedFile, type ExportOptions, type ExportSummary, exportRun } from './export-run.ts'
export { type LatencyOptions, measureLatency } from './measure-latency.ts'
export type { ModelMetadata } from './metadata.ts'
export { readMetadata } from './read-metadata.ts'
export type { Normalisation } from './run-facts.ts'
