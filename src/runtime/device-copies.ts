import type { HostTensor } from '../base/tensor.ts'
import { encodeOnnx } from '../graph/onnx.ts'
import type { EngineSettings } from './protocol.ts'
import { fromEngine, type InferenceSession, openSession, runSession, specOf, type Tensor } from './session.ts'

/**
 * Copies tensors from the device. ONNX Runtime for Node has no call for it (in 1.30, `getData` of such a tensor ends the process), but
 * the outputs of a program arrive on the host: so it is a program that returns its inputs.
 */
export class DeviceCopies {
  #session: InferenceSession | undefined
  /** What the program was made for. */
  #form = ''

  async download(
    tensors: ReadonlyMap<string, Tensor>,
    settings: EngineSettings,
  ): Promise<Map<string, HostTensor>> {
    const specs = [...tensors].map(([name, tensor]) => ({ name, ...specOf(name, tensor) }))
    const form = JSON.stringify(specs)
    if (this.#session === undefined || form !== this.#form) {
      await this.close()
      const outputs = specs.map(spec => ({ ...spec, name: copyNamed(spec.name) }))
      const nodes = specs.map(({ name }) => ({
        op: 'Identity',
        name: copyNamed(name),
        inputs: [name],
        outputs: [copyNamed(name)],
        attributes: {},
      }))
      const model = encodeOnnx({ name: 'copies', nodes, initializers: [], inputs: specs, outputs })
      this.#session = await openSession(model, { ...settings, profile: undefined }, 0)
      this.#form = form
    }
    const feeds = Object.fromEntries(tensors)
    const copies = await runSession(this.#session, feeds, [...tensors.keys()].map(copyNamed))
    return new Map([...tensors.keys()].map(name => [name, fromEngine(name, copies[copyNamed(name)]!)]))
  }

  async close(): Promise<void> {
    await this.#session?.release()
    this.#session = undefined
  }
}

const copyNamed = (name: string): string => `copy of ${name}`
