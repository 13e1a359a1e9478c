import { fail } from '../base/errors.ts'
import type { HostTensor, TensorData } from '../base/tensor.ts'
import { listed } from './check.ts'
import { copyOf } from './protocol.ts'
import { type Tensor, toEngine } from './session.ts'

/** One tensor of the state, twice: what it is, and room for what it becomes. */
interface Place {
  current: Held
  /** Made by the first step that updates it; programs that only read the state cost nothing. */
  next: Held | undefined
}

interface Held {
  readonly host: HostTensor
  readonly engine: Tensor
}

/**
 * The state that stays in the engine's thread, double-buffered: a step reads `current` and writes `next`, and
 * to commit is to swap them. After the first step nothing more is allocated, and a step that must not count
 * leaves the state as it was without having copied it.
 */
export class Residence {
  #places = new Map<string, Place>()
  #shared = new SharedArrayBuffer(0)

  /** Replaces the whole state; the tensors are kept, not copied. */
  replace(state: ReadonlyMap<string, HostTensor>): void {
    this.#places = new Map(
      [...state].map(([name, tensor]) => [name, { current: held(tensor), next: undefined }] as const),
    )
  }

  /** The tensor under this name, or undefined. */
  find(name: string): Held | undefined {
    return this.#places.get(name)?.current
  }

  /** The room in which a step writes the next value of `name`. */
  room(name: string): Held {
    const place = this.#place(name)
    place.next ??= held({ ...place.current.host, data: emptyLike(place.current.host.data) })
    return place.next
  }

  /** Makes what was written into the rooms of these names the state. */
  commit(names: Iterable<string>): void {
    for (const name of names) {
      const place = this.#place(name)
      if (place.next !== undefined) [place.current, place.next] = [place.next, place.current]
    }
  }

  /** Copies of the named tensors, of all when no names are given. */
  read(names: readonly string[] | undefined): Map<string, HostTensor> {
    return new Map(
      (names ?? [...this.#places.keys()]).map(name => {
        const { host } = this.#place(name).current
        return [name, { ...host, data: copyOf(host.data) }] as const
      }),
    )
  }

  /**
   * Lays the named tensors one after another into memory that all threads see. The engine takes no tensors from such memory, so
   * they are copied in and out; but nothing is allocated from the second time on, where a message would allocate it all twice.
   */
  share(names: readonly string[]): SharedArrayBuffer {
    const tensors = names.map(name => this.#place(name).current.host)
    const size = tensors.reduce((total, { data }) => total + data.byteLength, 0)
    if (this.#shared.byteLength !== size) this.#shared = new SharedArrayBuffer(size)
    let at = 0
    for (const { data } of tensors) {
      new Uint8Array(this.#shared, at, data.byteLength).set(bytesOf(data))
      at += data.byteLength
    }
    return this.#shared
  }

  /** Takes the named tensors from where another thread has laid them. */
  adopt(names: readonly string[], shared: SharedArrayBuffer): void {
    const tensors = names.map(name => this.#place(name).current.host)
    const size = tensors.reduce((total, { data }) => total + data.byteLength, 0)
    if (shared.byteLength !== size) {
      fail({
        kind: 'usage',
        message: `expected ${size} bytes of state, but ${shared.byteLength} came`,
        where: listed(names),
        help: 'engines that share state must have been set to the state of one network',
      })
    }
    let at = 0
    for (const { data } of tensors) {
      bytesOf(data).set(new Uint8Array(shared, at, data.byteLength))
      at += data.byteLength
    }
  }

  #place(name: string): Place {
    return (
      this.#places.get(name) ??
      fail({
        kind: 'usage',
        message: `the state has no tensor named "${name}"`,
        help: `it holds ${listed([...this.#places.keys()])}; set the state before it is read or updated`,
      })
    )
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: TensorData): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function held(host: HostTensor): Held {
  return { host, engine: toEngine(host) }
}

function emptyLike(data: TensorData): TensorData {
  if (data instanceof Float32Array) return new Float32Array(data.length)
  if (data instanceof BigInt64Array) return new BigInt64Array(data.length)
  return new Uint8Array(data.length)
}
