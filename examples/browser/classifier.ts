import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm'
import type { ModelMetadata } from '../../src/export/metadata.ts'
import { readMetadata } from '../../src/export/read-metadata.ts'

// Several threads need a page that is isolated from others; one is enough for a small network.
env.wasm.numThreads = 1

/** What a network says about one image. */
export interface Verdict {
  /** One a class. */
  readonly logits: Float32Array
  /** How much each expert counts, by layer; 0 for one that was not chosen. */
  readonly weights: ReadonlyMap<string, Float32Array>
}

/** A model that `moiety export` has written, in any of its forms, ready to run. */
export class Classifier {
  readonly metadata: ModelMetadata
  readonly #session: InferenceSession

  private constructor(metadata: ModelMetadata, session: InferenceSession) {
    this.metadata = metadata
    this.#session = session
  }

  /** @throws Error for bytes that are no such model */
  static async open(model: Uint8Array, name: string): Promise<Classifier> {
    const metadata = readMetadata(model, name)
    if (metadata.task !== 'image-classification')
      throw new Error(`${name} finds objects; this page is for networks that classify`)
    return new Classifier(metadata, await InferenceSession.create(model, { executionProviders: ['wasm'] }))
  }

  async classify(image: ImageBitmap): Promise<Verdict> {
    const { input, layers } = this.metadata
    const feeds = { [input.name]: tensorOf(pixelsOf(image, input.size), this.metadata) }
    const results = await this.#session.run(feeds)
    // Where the model takes several images at once, this one is the first.
    const first = (name: string): Float32Array => {
      const result = results[name]
      if (!(result?.data instanceof Float32Array)) throw new Error(`the model gives no ${name}`)
      return result.data.slice(0, result.dims.at(-1))
    }
    return {
      logits: first('logits'),
      weights: new Map(layers.map(({ name, output }) => [name, first(output)])),
    }
  }
}

/** RGBA of the image on white, scaled to cover the square, the rest cut off evenly: as Moiety trains on folders. */
function pixelsOf(image: ImageBitmap, size: number): Uint8ClampedArray {
  const context = new OffscreenCanvas(size, size).getContext('2d', { willReadFrequently: true })
  if (context === null) throw new Error('this browser has no canvas')
  context.fillStyle = '#fff'
  context.fillRect(0, 0, size, size)
  context.imageSmoothingQuality = 'high'
  const scale = size / Math.min(image.width, image.height)
  const [width, height] = [image.width * scale, image.height * scale]
  context.drawImage(image, (size - width) / 2, (size - height) / 2, width, height)
  return context.getImageData(0, 0, size, size).data
}

/** RGBA in the layout and dtype that the model takes, normalised unless the model does it itself. */
function tensorOf(rgba: Uint8ClampedArray, { input, normalisation }: ModelMetadata): Tensor {
  const { dtype, layout, size, batch } = input
  const area = size * size
  const shape = layout === 'NCHW' ? [batch ?? 1, 3, size, size] : [batch ?? 1, size, size, 3]
  const length = (batch ?? 1) * 3 * area
  const value = (pixel: number, channel: number): number => rgba[4 * pixel + channel] ?? 0
  const at = (pixel: number, channel: number): number =>
    layout === 'NCHW' ? channel * area + pixel : 3 * pixel + channel
  const fill = <T extends Float32Array | Uint8Array>(data: T, read: typeof value): T => {
    for (let pixel = 0; pixel < area; pixel++)
      for (let channel = 0; channel < 3; channel++) data[at(pixel, channel)] = read(pixel, channel)
    return data
  }
  if (dtype === 'uint8') return new Tensor('uint8', fill(new Uint8Array(length), value), shape)
  if (normalisation === undefined)
    throw new Error(
      'the model does not say how images are normalised: export it with --uint8, or train it anew',
    )
  const { mean, std } = normalisation
  const normal = (pixel: number, channel: number): number =>
    (value(pixel, channel) / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1)
  return new Tensor('float32', fill(new Float32Array(length), normal), shape)
}
