/**
 * Looking for objects in images that a detector was not trained on.
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
