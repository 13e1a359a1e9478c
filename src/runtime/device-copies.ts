import type { HostTensor } from '../base/tensor.ts'
import { encodeOnnx } from '../graph/onnx.ts'
import type { EngineSettings } from './protocol.ts'
import type { Held, Session, Sessions } from './session.ts'

/**
 * Copies tensors from the device. ONNX Runtime for Node has no call for it (in 1.30, `getData` of such a tensor ends the process), but
 * the outputs of a program arrive on the host: so it is a program that returns its inputs.
 */
export class DeviceCopies {
  readonly #sessions: Sessions
  #session: Session | undefined
  /** What the program was made for. */
  #form = ''

  constructor(sessions: Sessions) {
    this.#sessions = sessions
  }

  async download(
    tensors: ReadonlyMap<string, Held>,
    settings: EngineSettings,
  ): Promise<Map<string, HostTensor>> {
    const specs = [...tensors].map(([name, { spec }]) => ({ name, dtype: spec.dtype, shape: spec.shape }))
    const outputs = specs.map(spec => ({ ...spec, name: copyNamed(spec.name) }))
    const form = JSON.stringify(specs)
    if (this.#session === undefined || form !== this.#form) {
      await this.close()
      const nodes = specs.map(({ name }) => ({
        op: 'Identity',
        name: copyNamed(name),
        inputs: [name],
        outputs: [copyNamed(name)],
        attributes: {},
      }))
      const model = encodeOnnx({ name: 'copies', nodes, initializers: [], inputs: specs, outputs })
      const own = { ...settings, profile: undefined }
      this.#session = await this.#sessions.open({ model, inputs: specs, outputs }, own, '0')
      this.#form = form
    }
    const copies = await this.#session.run(
      tensors,
      outputs.map(spec => ({ spec })),
    )
    return new Map([...tensors.keys()].map(name => [name, copies.get(copyNamed(name))!.host!]))
  }

  async close(): Promise<void> {
    await this.#session?.close()
    this.#session = undefined
  }
}

const copyNamed = (name: string): string => `copy of ${name}`
