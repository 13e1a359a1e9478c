import type { Tensor as EngineTensor, InferenceSession as OrtSession } from 'onnxruntime-common'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { loadOnnxRuntime } from './onnxruntime.ts'
import {
  type Held,
  onHost,
  type Session,
  type Sessions,
  sessionOptions,
  silent,
  translated,
  type Update,
  type WantedOutput,
} from './session.ts'

/**
 * ONNX Runtime by its binding for Node: any device, and every system.
 */

export const { InferenceSession, Tensor, env } = loadOnnxRuntime()
type InferenceSession = OrtSession
type Tensor = EngineTensor

// ONNX Runtime writes what it also throws to the process's stderr. 'fatal' keeps the terminal clean.
env.logLevel = 'fatal'

/** Version of the native library; available only when it is loaded. */
export const loadedVersion: string = env.versions.node ?? env.versions.common

/** A tensor for the engine, which shares the values' memory. */
export function toEngine(tensor: HostTensor): Tensor {
  const { dtype, data, shape } = tensor
  if (dtype === 'float32' && data instanceof Float32Array) return new Tensor('float32', data, shape)
  if (dtype === 'int64' && data instanceof BigInt64Array) return new Tensor('int64', data, shape)
  if (dtype === 'bool' && data instanceof Uint8Array) return new Tensor('bool', data, shape)
  if (dtype === 'uint8' && data instanceof Uint8Array) return new Tensor('uint8', data, shape)
  return fail({ kind: 'data', message: `a ${data.constructor.name} cannot hold values of ${dtype}` })
}

/** Element type and shape of a tensor from the engine. @throws MoietyError `usage` for an element type that Moiety does not have */
function specOf(name: string, { type, dims }: Tensor): Pick<HostTensor, 'dtype' | 'shape'> {
  if (type === 'float32' || type === 'int64' || type === 'bool' || type === 'uint8')
    return { dtype: type, shape: [...dims] }
  return unsupported(name, type)
}

/** A tensor from the engine, which shares the values' memory. */
function fromEngine(name: string, tensor: Tensor): HostTensor {
  const { type, data, dims } = tensor
  if (type === 'float32' && data instanceof Float32Array) return { dtype: type, shape: [...dims], data }
  if (type === 'int64' && data instanceof BigInt64Array) return { dtype: type, shape: [...dims], data }
  if ((type === 'bool' || type === 'uint8') && data instanceof Uint8Array) {
    return { dtype: type, shape: [...dims], data }
  }
  return unsupported(name, type)
}

function unsupported(name: string, type: string): never {
  return fail({
    kind: 'usage',
    message: `the program returned a tensor of ${type}, which Moiety does not support`,
    where: `tensor ${name}`,
    help: 'outputs must be float32, int64, bool or uint8',
  })
}

/** Sessions of ONNX Runtime's binding for Node. */
export const nodeSessions: Omit<Sessions, 'api'> = {
  version: loadedVersion,
  close: () => undefined,
  async open({ model }, settings, name, choices) {
    try {
      const options = sessionOptions(settings, name, choices)
      return new NodeSession(await InferenceSession.create(model, options), settings.profile !== undefined)
    } catch (error) {
      throw translated(error, 'the engine does not accept the program')
    }
  },
}

/** It gives every output in memory of its own, a copy. */
class NodeSession implements Session {
  readonly #session: InferenceSession
  readonly #profiles: boolean

  constructor(session: InferenceSession, profiles: boolean) {
    this.#session = session
    this.#profiles = profiles
  }

  async run(
    inputs: ReadonlyMap<string, Held>,
    outputs: readonly WantedOutput[],
    accepts?: (results: Map<string, Held>) => readonly Update[] | false,
  ): Promise<Map<string, Held>> {
    const feeds = Object.fromEntries(
      [...inputs].map(([name, { host, onDevice }]) => [name, onDevice ?? toEngine(host!)]),
    )
    const names = outputs.map(({ spec }) => spec.name)
    try {
      const results = await this.#session.run(feeds, names, { logSeverityLevel: silent })
      const values = new Map(names.map(name => [name, held(name, results[name]!)] as const))
      accepts?.(values)
      return values
    } catch (error) {
      throw translated(error, 'the engine could not run the program')
    }
  }

  async close(): Promise<void> {
    if (this.#profiles) this.#session.endProfiling()
    await this.#session.release()
  }
}

function held(name: string, tensor: Tensor): Held {
  // The host cannot read what is on the device.
  return tensor.location === 'gpu-buffer'
    ? { spec: specOf(name, tensor), host: undefined, onDevice: tensor }
    : onHost(fromEngine(name, tensor))
}
