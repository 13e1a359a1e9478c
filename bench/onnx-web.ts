import { env, InferenceSession, Tensor } from 'onnxruntime-web'
import type { PlainTensor } from './plain-network.js'
import type { TimedAlternative } from './timed-alternative.js'

/** Moiety's exported file in ONNX Runtime's WebAssembly, which browsers run it in. */
export async function onnxWeb({
  file,
  images: { data, shape },
  threads,
}: {
  file: Uint8Array
  images: PlainTensor
  threads: number
}): Promise<TimedAlternative> {
  env.wasm.numThreads = threads
  const session = await InferenceSession.create(file, { executionProviders: ['wasm'] })
  const feeds = { images: new Tensor('float32', data, shape) }
  const logits = async (): Promise<Float32Array> => {
    const [result] = Object.values(await session.run(feeds))
    return result!.data as Float32Array
  }
  return {
    // The engine lowers it where it cannot start workers.
    threads: env.wasm.numThreads,
    outputs: async () => [...(await logits())],
    run: async () => void (await logits()),
    stop: () => session.release(),
  }
}
