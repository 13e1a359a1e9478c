/**
 * What a run says of images that it was not trained on.
 *
 * @module
 */
export {
  type DetectOptions,
  detectRun,
  type SeenImage,
  type Sighting,
  type Sightings,
} from './detect-run.ts'
export { type Prediction, type Predictions, type PredictOptions, predictRun } from './predict-run.ts'
