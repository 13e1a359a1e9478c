import { join } from 'node:path'
import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { type Dataset, makeBatch } from '../data/index.ts'
import { isThere, nodeDisk } from '../files/disk.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'
import { replaceFile } from '../files/replace-files.ts'
import { decodeSafetensors, encodeSafetensors } from '../files/safetensors.ts'
import type { LoadedProgram } from '../runtime/index.ts'
import { floatsOf } from '../runtime/outputs.ts'
import { identityOf } from '../tasks/data-identity.ts'
import type { FeatureProgram } from './feature-program.ts'
import type { PlacedImages } from './neighbours.ts'

export interface PlaceOptions {
  readonly dataset: Dataset
  readonly features: FeatureProgram
  readonly loaded: LoadedProgram
  /** Images computed at once. */
  readonly batch: number
  readonly onProgress?: (done: number, total: number) => void
}

/** Features and routes of every training image, in the order of the split. */
export async function placeTrainingImages(options: PlaceOptions): Promise<PlacedImages> {
  const { dataset, features: program, loaded, batch, onProgress } = options
  const { train, mean, std, classes } = dataset
  const images = train.length
  const { channels, layers } = program
  const features = new Float32Array(images * channels)
  const routes = layers.map(({ experts }) => ({ experts, chosen: new Uint8Array(images * experts) }))
  for (let start = 0; start < images; start += batch) {
    const indices = Uint32Array.from({ length: Math.min(batch, images - start) }, (_, i) => start + i)
    const made = await makeBatch(train, indices, { mean, std, classes: classes.length, seed: 0, epoch: 0 })
    const outputs = await loaded.run(new Map([['images', made.images]]))
    features.set(floatsOf(outputs, 'features'), start * channels)
    for (const [l, { name, experts }] of layers.entries())
      routes[l]!.chosen.set(
        floatsOf(outputs, `${name}.weights`).map(weight => Number(weight > 0)),
        start * experts,
      )
    onProgress?.(Math.min(start + batch, images), images)
  }
  return { images, channels, features, routes }
}

/**
 * The same, kept in the run's folder: a second prediction does not compute them again. What is kept belongs to one checkpoint
 * and one data set, which is known by its labels, title, normalisation and files, not by all its pixels; anything else, or a damaged
 * file, is computed anew and replaced. A folder that cannot be written, as
 * on a full disk, keeps nothing and stops nobody.
 *
 * @param checkpoint - its identity
 */
export async function placedTrainingImages(
  options: PlaceOptions & { readonly run: string; readonly checkpoint: string },
): Promise<PlacedImages> {
  const { run, checkpoint, dataset, features } = options
  const file = join(run, 'training-features.safetensors')
  const { title, size, mean, std, files } = dataset
  const metadata = {
    checkpoint,
    labels: identityOf(dataset).labels,
    data: JSON.stringify({ title, size, mean, std, files }),
  }
  const kept = readCache(file, metadata, features, dataset.train.length)
  if (kept !== undefined) return kept
  const placed = await placeTrainingImages(options)
  const tensors = new Map<string, HostTensor>([
    ['features', { dtype: 'float32', shape: [placed.images, placed.channels], data: placed.features }],
    ...placed.routes.map(({ experts, chosen }, l): [string, HostTensor] => [
      `${features.layers[l]!.name}.chosen`,
      { dtype: 'uint8', shape: [placed.images, experts], data: chosen },
    ]),
  ])
  try {
    replaceFile(nodeDisk, file, encodeSafetensors(tensors, metadata))
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
  }
  return placed
}

function readCache(
  file: string,
  metadata: Record<string, string>,
  { channels, layers }: FeatureProgram,
  images: number,
): PlacedImages | undefined {
  if (!isThere(file)) return undefined
  try {
    const kept = decodeSafetensors(readRegular(file, sizeLimits.cache), file)
    if (Object.entries(metadata).some(([key, value]) => kept.metadata[key] !== value)) return undefined
    const features = kept.tensors.get('features')
    const routes = layers.map(({ name, experts }) => ({
      experts,
      chosen: kept.tensors.get(`${name}.chosen`)?.data,
    }))
    if (!(features?.data instanceof Float32Array) || features.data.length !== images * channels)
      return undefined
    const whole = routes.flatMap(({ experts, chosen }) =>
      chosen instanceof Uint8Array && chosen.length === images * experts ? [{ experts, chosen }] : [],
    )
    if (whole.length !== layers.length) return undefined
    return { images, channels, features: features.data, routes: whole }
  } catch {
    return undefined
  }
}
