import { MessageChannel } from 'node:worker_threads'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { listed, signature } from './check-tensor.ts'
import { buffersOf, copyOf } from './protocol.ts'
import { type Held, onHost } from './session.ts'

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
export type Download = (tensors: ReadonlyMap<string, Held>) => Promise<Map<string, HostTensor>>

/**
 * The state in the engine's thread. By the C API it stays in one place: a step's outputs are put there once the step counts. By the
 * Node binding they become the state themselves: they have been copied out of the engine once, like every result, or stay on the
 * device. A rejected step leaves the state as it was.
 */
export class StateStore {
  readonly #download: Download
  readonly #isWrittenInPlace: boolean
  #tensors = new Map<string, Held>()
  /** Names of tensors in the memory of another engine, which are never written to. */
  readonly #borrowed = new Set<string>()
  #shared = new SharedArrayBuffer(0)

  /** @param options.isWrittenInPlace - whether sessions put outputs where they are wanted */
  constructor(download: Download, { isWrittenInPlace }: { readonly isWrittenInPlace: boolean }) {
    this.#download = download
    this.#isWrittenInPlace = isWrittenInPlace
  }

  /** Replaces the whole state; the tensors are kept, not copied, unless an earlier one has the same memory. */
  replace(state: ReadonlyMap<string, HostTensor>): void {
    const taken = new Set<ArrayBufferLike>()
    free([...this.#tensors.values()].filter(({ host }) => host === undefined))
    this.#borrowed.clear()
    this.#tensors = new Map(
      [...state].map(([name, given]) => {
        const host = taken.has(given.data.buffer) ? { ...given, data: copyOf(given.data) } : given
        taken.add(host.data.buffer)
        return [name, onHost(host)] as const
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

  /** The memory of a tensor, where its next values are put there; undefined where they come in memory of their own. */
  placeOf(name: string): HostTensor | undefined {
    return this.#isWrittenInPlace && !this.#borrowed.has(name) ? this.get(name).host : undefined
  }

  /** Makes a tensor the state's own, so that it can be written over: one in the memory of another engine is copied. */
  own(name: string): void {
    const { host } = this.get(name)
    if (!this.#borrowed.delete(name) || host === undefined) return
    this.#tensors.set(name, onHost({ ...host, data: copyOf(host.data) }))
  }

  /** Replaces the named tensors by these, which own their memory, and frees the memory of the old ones. */
  update(changed: ReadonlyMap<string, Held>): void {
    const before = [...changed.keys()].map(name => this.get(name))
    for (const [name, tensor] of changed) {
      this.#tensors.set(name, tensor)
      this.#borrowed.delete(name)
    }
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
    this.update(new Map([...downloaded].map(([name, host]) => [name, onHost(host)] as const)))
  }

  async #downloaded(tensors: readonly (readonly [string, Held])[]): Promise<Map<string, HostTensor>> {
    const away = tensors.filter(([, { host }]) => host === undefined)
    return away.length === 0 ? new Map() : await this.#download(new Map(away))
  }

  /**
   * The named tensors in memory that other threads can read. By the C API it is the state's own memory; the Node binding accepts no
   * tensors in shared memory, so they are copied there and by `adopt` from there, into memory that is allocated once.
   */
  share(names: readonly string[]): Map<string, HostTensor> {
    const tensors = new Map(names.map(name => [name, this.#onHost(name)] as const))
    return this.#isWrittenInPlace ? this.#movedToShared(tensors) : this.#copiedToShared(tensors)
  }

  #movedToShared(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
    return new Map(
      [...tensors].map(([name, host]) => {
        if (this.#isShared(name)) return [name, host] as const
        const moved = { ...host, data: viewLike(host, new SharedArrayBuffer(host.data.byteLength), 0) }
        bytesOf(moved).set(bytesOf(host))
        this.#tensors.set(name, onHost(moved))
        this.#borrowed.delete(name)
        free([onHost(host)])
        return [name, moved] as const
      }),
    )
  }

  #copiedToShared(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostTensor> {
    // Whole words, for the alignment of what follows.
    const sizes = [...tensors.values()].map(({ data }) => Math.ceil(data.byteLength / 8) * 8)
    const size = sizes.reduce((sum, each) => sum + each, 0)
    if (this.#shared.byteLength !== size) this.#shared = new SharedArrayBuffer(size)
    let at = 0
    return new Map(
      [...tensors].map(([name, host], i) => {
        const copy = { ...host, data: viewLike(host, this.#shared, at) }
        bytesOf(copy).set(bytesOf(host))
        at += sizes[i]!
        return [name, copy] as const
      }),
    )
  }

  /** Takes over tensors that another thread has shared. */
  adopt(shared: ReadonlyMap<string, HostTensor>): void {
    for (const [name, { dtype, shape }] of shared) {
      const before = this.#tensors.get(name)?.spec
      if (before === undefined || signature(before) === signature({ dtype, shape })) continue
      fail({
        kind: 'usage',
        message: `expected ${signature(before)}, but got ${signature({ dtype, shape })}`,
        where: `state ${name}`,
        help: 'engines that share state must have the state of one network',
      })
    }
    for (const [name, tensor] of shared) {
      const own = this.#tensors.get(name)?.host
      if (this.#isWrittenInPlace) {
        this.#tensors.set(name, onHost(tensor))
        this.#borrowed.add(name)
      } else if (own === undefined) this.#tensors.set(name, onHost({ ...tensor, data: copyOf(tensor.data) }))
      else bytesOf(own).set(bytesOf(tensor))
    }
  }

  #isShared(name: string): boolean {
    return this.get(name).host?.data.buffer instanceof SharedArrayBuffer && !this.#borrowed.has(name)
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

function bytesOf({ data }: HostTensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function viewLike({ data }: HostTensor, buffer: ArrayBufferLike, at: number): HostTensor['data'] {
  if (data instanceof Float32Array) return new Float32Array(buffer, at, data.length)
  if (data instanceof BigInt64Array) return new BigInt64Array(buffer, at, data.length)
  return new Uint8Array(buffer, at, data.length)
}

/** Frees the memory of tensors at once, on the host and on the device. */
export function free(tensors: Iterable<Held>): void {
  const hosts: HostTensor[] = []
  for (const { host, onDevice } of tensors) {
    onDevice?.dispose()
    if (host !== undefined) hosts.push(host)
  }
  if (hosts.length > 0) discard.postMessage(null, buffersOf(hosts))
}
