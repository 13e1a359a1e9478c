import type { Program } from 'moiety/graph'
import { env, InferenceSession, Tensor } from 'onnxruntime-web/wasm'
import { type networks, type Trained, train, type Values } from './training.ts'

// Several threads need a page that is isolated from others.
env.wasm.numThreads = 1

/** Runs programs by WebAssembly. */
async function load({ model, outputs }: Program): Promise<(inputs: Values) => Promise<Values>> {
  const session = await InferenceSession.create(model, { executionProviders: ['wasm'] })
  return async inputs => {
    const feeds = [...inputs].map(
      ([name, { dtype, shape, data }]) => [name, new Tensor(dtype, data, shape)] as const,
    )
    const results = await session.run(Object.fromEntries(feeds))
    return new Map(
      outputs.map(({ name, dtype }) => {
        const { data, dims } = results[name]!
        if (!(data instanceof Float32Array || data instanceof BigInt64Array || data instanceof Uint8Array))
          throw new Error(`${name} is of type ${results[name]!.type}`)
        return [name, { dtype, shape: dims, data }]
      }),
    )
  }
}

/** Trains one of the networks in this page. */
export async function trainHere(name: keyof typeof networks): Promise<Trained> {
  return await train(name, load)
}
