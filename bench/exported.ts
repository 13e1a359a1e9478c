import { exportedModel, modelFile } from 'moiety/export'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { type Case, classes } from './cases.js'
import { configOf, normalTensor, stepOf } from './moiety-program.js'

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
    const step = stepOf(timed)
    const exported = exportedModel(
      {
        model: configOf(timed).model,
        classes,
        size: 32,
        state: step.initialState(42),
        normalisation: undefined,
      },
      { routing: 'sparse', batch: null, uint8: false, channelsLast: false },
    )
    const session = await InferenceSession.create(modelFile(exported).model, { intraOpNumThreads: threads })
    const { shape, data } = normalTensor([timed.batch, 3, 32, 32])
    const images = new Tensor('float32', Float32Array.from(data, Number), shape)
    return new Exported(session, { images }, step.parameterCount)
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
