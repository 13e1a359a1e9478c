import { exportedModel, modelFile } from 'moiety/export'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { type Case, classes } from './cases.js'
import { configOf, normalTensor, stepOf } from './moiety-program.js'

/** The exported file of a case's network, with first values. */
export function exportedFile(timed: Case): { readonly file: Uint8Array; readonly parameterCount: number } {
  const step = stepOf(timed)
  const exported = exportedModel(
    {
      model: configOf(timed).model,
      classes,
      size: timed.size,
      state: step.initialState(42),
      normalisation: undefined,
    },
    { routing: 'sparse', batch: null, uint8: false, channelsLast: false },
  )
  return { file: modelFile(exported).model, parameterCount: step.parameterCount }
}

/** The images of a case. */
export function imagesOf({ batch, size }: Case): {
  readonly shape: readonly number[]
  readonly data: Float32Array
} {
  const { shape, data } = normalTensor([batch, 3, size, size])
  return { shape, data: Float32Array.from(data, Number) }
}

/**
 * The exported file of a case's network, with first values, in the stock engine: what somebody would run who has the file
 * and knows nothing of Moiety.
 */
export class Exported {
  readonly parameterCount: number
  readonly #session: InferenceSession
  readonly #feeds: Record<string, Tensor>

  private constructor(session: InferenceSession, feeds: Record<string, Tensor>, parameterCount: number) {
    this.#session = session
    this.#feeds = feeds
    this.parameterCount = parameterCount
  }

  static async prepare(timed: Case, threads: number): Promise<Exported> {
    const { file, parameterCount } = exportedFile(timed)
    const session = await InferenceSession.create(file, { intraOpNumThreads: threads })
    const { shape, data } = imagesOf(timed)
    return new Exported(session, { images: new Tensor('float32', data, shape) }, parameterCount)
  }

  /** Of all images, one after the other. */
  async logits(): Promise<number[]> {
    const [result] = Object.values(await this.#session.run(this.#feeds))
    return Array.from(result!.data as Float32Array)
  }

  /** Seconds from images to logits. */
  async time(): Promise<number> {
    const start = performance.now()
    await this.#session.run(this.#feeds)
    return (performance.now() - start) / 1000
  }

  async stop(): Promise<void> {
    await this.#session.release()
  }
}
