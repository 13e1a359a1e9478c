export {
  type DetectorExplanation,
  type ExplainDetectorOptions,
  explainDetectorRun,
} from './explain-detector-run.ts'
export { type DetectorFindings, type DetectorLayerFindings, detectorFindings } from './findings.ts'
export type { PictureOfScene } from './scene-pictures.ts'
