import { fail } from '../../base/errors.ts'
import { type HostTensor, sizeOf } from '../../base/tensor.ts'
import type { TensorSpec } from '../../graph/program.ts'
import { engineVersion } from '../onnxruntime.ts'
import {
  type Held,
  onHost,
  type Session,
  type Sessions,
  sessionOptions,
  translated,
  type Update,
  type WantedOutput,
} from '../session.ts'
import type { OrtLibrary } from './library.ts'
import { NativeRuntime, type NativeSession } from './native-runtime.ts'

/** Sessions of ONNX Runtime's C API, on the processor: outputs are written to where they are wanted. */
export function cSessions(library: OrtLibrary): Omit<Sessions, 'api'> {
  const runtime = new NativeRuntime(library)
  return {
    version: engineVersion,
    close: () => runtime.close(),
    async open({ model, inputs, outputs }, settings, name, choices) {
      try {
        const names = [...inputs, ...outputs].map(({ name }) => name)
        return new CSession(runtime, runtime.open(model, names, sessionOptions(settings, name, choices)))
      } catch (error) {
        throw translated(error, 'the engine does not accept the program')
      }
    },
  }
}

class CSession implements Session {
  readonly #runtime: NativeRuntime
  readonly #session: NativeSession

  constructor(runtime: NativeRuntime, session: NativeSession) {
    this.#runtime = runtime
    this.#session = session
  }

  async run(
    inputs: ReadonlyMap<string, Held>,
    outputs: readonly WantedOutput[],
    accepts: (results: Map<string, Held>) => readonly Update[] | false = () => [],
  ): Promise<Map<string, Held>> {
    const given = new Map([...inputs].map(([name, { host }]) => [name, host!] as const))
    const wanted = outputs.map(({ spec: { name, ...spec }, after, isKept = false }) =>
      after === undefined && !isKept ? { name, into: emptyFor(spec) } : { name, after, isKept },
    )
    let held = new Map<string, Held>()
    try {
      this.#runtime.run(this.#session, given, wanted, results => {
        held = new Map([...results].map(([name, host]) => [name, onHost(host)]))
        const updates = accepts(held)
        if (updates === false) return false
        return updates.map(update => ({ ...update, session: CSession.numberOf(update.session) }))
      })
      return held
    } catch (error) {
      throw translated(error, 'the engine could not run the program')
    }
  }

  async close(): Promise<void> {
    this.#runtime.closeSession(this.#session)
  }

  /** The session of an update, which is one by the C API too. */
  static numberOf(session: Session): NativeSession {
    if (session instanceof CSession) return session.#session
    return fail({ kind: 'usage', message: 'an update was opened by another API than its step' })
  }
}

/** Memory for an output whose extents are all known. */
function emptyFor({ dtype, shape }: Omit<TensorSpec, 'name'>): HostTensor | undefined {
  const extents = shape.filter(extent => typeof extent === 'number')
  return extents.length === shape.length ? emptyTensor({ dtype, shape: extents }) : undefined
}

/** A tensor of zeros. */
export function emptyTensor({ dtype, shape }: Pick<HostTensor, 'dtype' | 'shape'>): HostTensor {
  const size = sizeOf(shape)
  // V8 may move the values of small arrays that have no buffer yet.
  if (dtype === 'float32') return { dtype, shape, data: new Float32Array(new ArrayBuffer(4 * size)) }
  if (dtype === 'int64') return { dtype, shape, data: new BigInt64Array(new ArrayBuffer(8 * size)) }
  return { dtype, shape, data: new Uint8Array(new ArrayBuffer(size)) }
}
