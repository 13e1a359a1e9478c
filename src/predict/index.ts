/**
 * What a run predicts of images that it was not trained on.
 *
 * @module
 */
export type { Extent } from '../data/image.ts'
export type { ClassPrediction } from './classification-predictor.ts'
export type { ObjectPrediction, PredictedObject } from './detection-predictor.ts'
export type { SkippedImage } from './given-images.ts'
export type { ImageNeighbour } from './image-predictor.ts'
export type { LabelPrediction, PredictedLabel } from './multi-label-predictor.ts'
export { type PredictOptions, predictRun } from './predict-run.ts'
export type {
  ExpertWeight,
  InputRouting,
  PredictedImage,
  PredictedLayer,
  Predictions,
  TaskOptions,
} from './predictor.ts'
export type { Prediction } from './predictors.ts'
