import { MessageChannel } from 'node:worker_threads'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { listed } from './check-tensor.ts'
import { buffersOf, copyOf } from './protocol.ts'
import { fromEngine, isOnDevice, specOf, type Tensor, toEngine } from './session.ts'

/** A tensor of the state: in memory that the host and the engine share, or on the device alone. */
export interface Held {
  readonly spec: Pick<HostTensor, 'dtype' | 'shape'>
  readonly engine: Tensor
  /** Undefined where the values are on the device. */
  readonly host: HostTensor | undefined
}

/** @param engine - a tensor from the engine, called `name` */
export function held(name: string, engine: Tensor): Held {
  if (isOnDevice(engine)) return { spec: specOf(name, engine), engine, host: undefined }
  const host = fromEngine(name, engine)
  return { spec: host, engine, host }
}

/**
 * A port whose other end is closed: buffers transferred to it are freed at once. With garbage collection alone, states of earlier
 * steps would accumulate; a state is as large as a network with its optimizer, and is not referenced any more.
 */
const discard = (() => {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return port1
})()

/** Copies tensors from the device. */
export type Download = (tensors: ReadonlyMap<string, Tensor>) => Promise<Map<string, HostTensor>>

/**
 * The state in the engine's thread. A step reads it, and the step's outputs become the new state without another
 * copy: they have been copied out of the engine once, like every result, or stay on the device; a rejected step discards them.
 */
export class StateStore {
  readonly #download: Download
  #tensors = new Map<string, Held>()
  #shared = new SharedArrayBuffer(0)

  constructor(download: Download) {
    this.#download = download
  }

  /** Replaces the whole state; the tensors are kept, not copied, unless an earlier one has the same memory. */
  replace(state: ReadonlyMap<string, HostTensor>): void {
    const taken = new Set<ArrayBufferLike>()
    free([...this.#tensors.values()].filter(({ host }) => host === undefined))
    this.#tensors = new Map(
      [...state].map(([name, given]) => {
        const host = taken.has(given.data.buffer) ? { ...given, data: copyOf(given.data) } : given
        taken.add(host.data.buffer)
        return [name, { spec: host, host, engine: toEngine(host) }] as const
      }),
    )
  }

  /** The tensor under this name, or undefined. */
  find(name: string): Held | undefined {
    return this.#tensors.get(name)
  }

  /**
   * The tensor under this name.
   *
   * @throws MoietyError (usage) when there is none
   */
  get(name: string): Held {
    return (
      this.#tensors.get(name) ??
      fail({
        kind: 'usage',
        message: `the state has no tensor named "${name}"`,
        help: `it holds ${listed([...this.#tensors.keys()])}; set the state before it is read or updated`,
      })
    )
  }

  /** Replaces the named tensors by these, which own their memory, and frees the memory of the old ones. */
  update(changed: ReadonlyMap<string, Held>): void {
    const before = [...changed.keys()].map(name => this.get(name))
    for (const [name, tensor] of changed) this.#tensors.set(name, tensor)
    free(before)
  }

  /** Copies of the named tensors; default: all. */
  async read(names: readonly string[] = [...this.#tensors.keys()]): Promise<Map<string, HostTensor>> {
    const wanted = names.map(name => [name, this.get(name)] as const)
    const downloaded = await this.#downloaded(wanted)
    return new Map(
      wanted.map(([name, { host }]) => [
        name,
        host === undefined ? downloaded.get(name)! : { ...host, data: copyOf(host.data) },
      ]),
    )
  }

  /** Brings what is on the device to the host: before the session that made it ends, which frees it. */
  async leaveDevice(): Promise<void> {
    const downloaded = await this.#downloaded([...this.#tensors])
    this.update(
      new Map(
        [...downloaded].map(([name, host]) => [name, { spec: host, host, engine: toEngine(host) }] as const),
      ),
    )
  }

  async #downloaded(tensors: readonly (readonly [string, Held])[]): Promise<Map<string, HostTensor>> {
    const away = tensors.filter(([, { host }]) => host === undefined)
    if (away.length === 0) return new Map()
    return await this.#download(new Map(away.map(([name, { engine }]) => [name, engine])))
  }

  /**
   * Copies the named tensors one after another to shared memory. The engine accepts no tensors in shared memory, so
   * they are copied in and out; but memory is allocated only once, where a message would allocate it twice every time.
   */
  share(names: readonly string[]): SharedArrayBuffer {
    const { size, places } = this.#laidOut(names)
    if (this.#shared.byteLength !== size) this.#shared = new SharedArrayBuffer(size)
    const shared = new Uint8Array(this.#shared)
    for (const { bytes, at } of places) shared.set(bytes, at)
    return this.#shared
  }

  /** Copies the named tensors from the memory that another thread has shared, in this order. */
  adopt(names: readonly string[], shared: SharedArrayBuffer): void {
    const { size, places } = this.#laidOut(names)
    if (shared.byteLength !== size) {
      fail({
        kind: 'usage',
        message: `expected ${size} bytes of state, but got ${shared.byteLength}`,
        where: listed(names),
        help: 'engines that share state must have been set to the state of one network',
      })
    }
    for (const { bytes, at } of places) bytes.set(new Uint8Array(shared, at, bytes.byteLength))
  }

  /** The bytes of the named tensors, and the offset of each when they are concatenated. */
  #laidOut(names: readonly string[]): { size: number; places: { bytes: Uint8Array; at: number }[] } {
    let size = 0
    const places = names.map(name => {
      const { buffer, byteOffset, byteLength } = this.#onHost(name).data
      size += byteLength
      return { bytes: new Uint8Array(buffer, byteOffset, byteLength), at: size - byteLength }
    })
    return { size, places }
  }

  #onHost(name: string): HostTensor {
    return (
      this.get(name).host ??
      fail({
        kind: 'usage',
        message: 'engines share state in the memory of the host, but this tensor is on a device',
        where: `state ${name}`,
        help: 'share between engines whose device is cpu',
      })
    )
  }
}

/** Frees the memory of tensors at once, on the host and on the device. */
export function free(tensors: Iterable<Held>): void {
  const hosts: HostTensor[] = []
  for (const { host, engine } of tensors) {
    if (host === undefined) engine.dispose()
    else hosts.push(host)
  }
  if (hosts.length > 0) discard.postMessage(null, buffersOf(hosts))
}
