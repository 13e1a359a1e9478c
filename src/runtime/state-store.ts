import { MessageChannel } from 'node:worker_threads'
import { fail } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { listed } from './check-tensor.ts'
import { buffersOf, copyOf } from './protocol.ts'
import { fromEngine, type Tensor, toEngine } from './session.ts'

/** A tensor as the host and as the engine see it, in one memory. */
export interface Held {
  readonly host: HostTensor
  readonly engine: Tensor
}

/** @param engine - a tensor that the engine gave, called `name` */
export function held(name: string, engine: Tensor): Held {
  return { host: fromEngine(name, engine), engine }
}

/**
 * A port whose other end is closed: memory handed over to it is free at once. Left to the collector, states of the steps before lay
 * beside the newest one; a state is as large as a network with its optimizer, and here nobody has it any more.
 */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return port1
})()

/**
 * The state that stays in the engine's thread. A step reads it, and what the step gives becomes the state as it is, without a
 * copy: it has been copied out of the engine once, as every result is, and a step that must not count just lets go of it.
 */
export class StateStore {
  #tensors = new Map<string, Held>()
  #shared = new SharedArrayBuffer(0)

  /** Replaces the whole state; the tensors are kept, not copied, unless an earlier one has the same memory. */
  replace(state: ReadonlyMap<string, HostTensor>): void {
    const taken = new Set<ArrayBufferLike>()
    this.#tensors = new Map(
      [...state].map(([name, given]) => {
        const host = taken.has(given.data.buffer) ? { ...given, data: copyOf(given.data) } : given
        taken.add(host.data.buffer)
        return [name, { host, engine: toEngine(host) }] as const
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
  get(name: string): HostTensor {
    const found =
      this.#tensors.get(name) ??
      fail({
        kind: 'usage',
        message: `the state has no tensor named "${name}"`,
        help: `it holds ${listed([...this.#tensors.keys()])}; set the state before it is read or updated`,
      })
    return found.host
  }

  /** Makes tensors, whose memory is theirs alone, the ones under these names, and frees the memory of those before. */
  become(changed: ReadonlyMap<string, Held>): void {
    const before = [...changed.keys()].map(name => this.get(name))
    for (const [name, tensor] of changed) this.#tensors.set(name, tensor)
    nowhere.postMessage(null, buffersOf(before))
  }

  /** Copies of the named tensors, of all when no names are given. */
  read(names: readonly string[] | undefined): Map<string, HostTensor> {
    return new Map(
      (names ?? [...this.#tensors.keys()]).map(name => {
        const host = this.get(name)
        return [name, { ...host, data: copyOf(host.data) }] as const
      }),
    )
  }

  /**
   * Lays the named tensors one after another into memory that all threads see. The engine takes no tensors from such memory, so
   * they are copied in and out; but nothing is allocated from the second time on, where a message would allocate it all twice.
   */
  share(names: readonly string[]): SharedArrayBuffer {
    const { size, places } = this.#laidOut(names)
    if (this.#shared.byteLength !== size) this.#shared = new SharedArrayBuffer(size)
    const shared = new Uint8Array(this.#shared)
    for (const { bytes, at } of places) shared.set(bytes, at)
    return this.#shared
  }

  /** Takes the named tensors from where another thread has laid them, in this order. */
  adopt(names: readonly string[], shared: SharedArrayBuffer): void {
    const { size, places } = this.#laidOut(names)
    if (shared.byteLength !== size) {
      fail({
        kind: 'usage',
        message: `expected ${size} bytes of state, but ${shared.byteLength} came`,
        where: listed(names),
        help: 'engines that share state must have been set to the state of one network',
      })
    }
    for (const { bytes, at } of places) bytes.set(new Uint8Array(shared, at, bytes.byteLength))
  }

  /** The bytes of the named tensors, and where each of them begins when they lie one after another. */
  #laidOut(names: readonly string[]): { size: number; places: { bytes: Uint8Array; at: number }[] } {
    let size = 0
    const places = names.map(name => {
      const { buffer, byteOffset, byteLength } = this.get(name).data
      size += byteLength
      return { bytes: new Uint8Array(buffer, byteOffset, byteLength), at: size - byteLength }
    })
    return { size, places }
  }
}
