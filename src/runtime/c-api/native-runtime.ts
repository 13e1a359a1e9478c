import type { InferenceSession } from 'onnxruntime-common'
import { fail } from '../../base/errors.ts'
import { type DType, type HostTensor, sizeOf, type TensorData } from '../../base/tensor.ts'
import type { FunctionName, NativeArgument, OrtLibrary } from './library.ts'

/** Element types as ONNX numbers them, with what holds their values. */
const elements = {
  float32: { number: 1, bytes: 4, array: Float32Array },
  uint8: { number: 2, bytes: 1, array: Uint8Array },
  int64: { number: 7, bytes: 8, array: BigInt64Array },
  bool: { number: 9, bytes: 1, array: Uint8Array },
} as const satisfies Record<DType, unknown>

/** A session of a {@link NativeRuntime}; a number, so that nobody else has its address. */
export type NativeSession = number

/** An output of a run. Without a place for it, it has memory of its own. */
export interface NativeOutput {
  readonly name: string
  /** The run writes it there. */
  readonly into?: HostTensor | undefined
  /** It is copied there once the run is over, and only if the others are accepted. */
  readonly after?: HostTensor | undefined
  /** It stays in ONNX Runtime's memory, where only updates read it. */
  readonly isKept?: boolean
}

/** A session for float32 vectors of any length, run over memory that it reads and writes, once the run before it was accepted. */
export interface NativeUpdate {
  readonly session: NativeSession
  /** Inputs of one length: memory, or the names of outputs that the run keeps. */
  readonly vectors: ReadonlyMap<string, HostTensor | string>
  readonly scalars: ReadonlyMap<string, HostTensor>
  /** Outputs and where they are written, which may be where inputs are read. */
  readonly outputs: ReadonlyMap<string, HostTensor>
}

/**
 * Numbers that an update computes at once. Measured over 38 million of them, Adam's 11 ops on two threads: 58 ms, and 64, 65 and 112
 * with pieces of 2^20, 2^17 and 2^16; 112 in one piece.
 */
const pieceSize = 2 ** 18

interface Opened {
  readonly address: bigint
  readonly profiles: boolean
  /** Addresses of the texts in `texts`. */
  readonly names: ReadonlyMap<string, bigint>
  readonly texts: Uint8Array
  /** Outputs whose element type and shape have been those of their places. */
  readonly fitted: Set<string>
}

/**
 * Sessions of ONNX Runtime by its C API. It is the only owner of native memory: nobody else sees an address, and what it is given is
 * checked before an address is passed, since a wrong one ends the process.
 *
 * A call blocks this thread, and what a run reads and writes is referenced until its end, so nothing can be collected or closed
 * during one. ONNX Runtime keeps no tensor: each run wraps memory, and releases the wrappers before it returns.
 */
export class NativeRuntime {
  readonly #library: OrtLibrary
  readonly #sessions = new Map<NativeSession, Opened>()
  readonly #environment: bigint
  readonly #memory: bigint
  readonly #runOptions: bigint
  /** Where functions write what they give; no call lasts into another one. */
  readonly #out = new BigUint64Array(new ArrayBuffer(8))
  #opened = 0
  #isClosed = false
  /** What the run in progress reads and writes, so that it is referenced until the run is over. */
  #inUse: readonly unknown[] = []

  /** @throws Error with ONNX Runtime's message */
  constructor(library: OrtLibrary) {
    this.#library = library
    this.#environment = this.#made('CreateEnv', silent, 'moiety')
    // The processor's memory, not an arena's.
    this.#memory = this.#made('CreateCpuMemoryInfo', 0, 0)
    this.#runOptions = this.#made('CreateRunOptions')
    this.#call('RunOptionsSetRunLogSeverityLevel', this.#runOptions, silent)
  }

  /**
   * Builds a session for an ONNX model with these inputs and outputs.
   *
   * @throws Error with ONNX Runtime's message
   */
  open(model: Uint8Array, names: Iterable<string>, options: InferenceSession.SessionOptions): NativeSession {
    this.#refuseClosed()
    const { texts, addresses } = this.#texts(new Set(names))
    const settings = this.#made('CreateSessionOptions')
    try {
      this.#apply(options, settings)
      const address = this.#made(
        'CreateSessionFromArray',
        this.#environment,
        model,
        model.byteLength,
        settings,
      )
      const session = this.#opened++
      const profiles = options.enableProfiling === true
      this.#sessions.set(session, { address, profiles, names: addresses, texts, fitted: new Set() })
      return session
    } finally {
      this.#release('ReleaseSessionOptions', settings)
    }
  }

  /**
   * Runs a session.
   *
   * @param accepts - asked with the outputs, which updates follow, before those that have a place for after the run are copied there;
   *   false: nothing is written any more. By default there are no updates
   * @returns the outputs by name, without those that have such a place or are kept
   * @throws MoietyError `usage` for a session that is closed, a name that it does not have, and memory that is read and written;
   *   `data` for a tensor whose memory does not fit its shape; Error with ONNX Runtime's message
   */
  run(
    session: NativeSession,
    inputs: ReadonlyMap<string, HostTensor>,
    outputs: readonly NativeOutput[],
    accepts: (results: Map<string, HostTensor>) => readonly NativeUpdate[] | false = () => [],
  ): Map<string, HostTensor> {
    this.#refuseRunning()
    const { address, names, fitted } = this.#session(session)
    const inputNames = addressesOf(names, inputs.keys())
    const outputNames = addressesOf(
      names,
      outputs.map(({ name }) => name),
    )
    this.#refuseShared(inputs, outputs)
    const inputValues = new BigUint64Array(inputs.size)
    const outputValues = new BigUint64Array(outputs.length)
    this.#inUse = [inputs, outputs, inputNames, outputNames, inputValues, outputValues]
    try {
      let place = 0
      for (const [name, tensor] of inputs) inputValues[place++] = this.#wrapped(name, tensor)
      for (const [i, { name, into }] of outputs.entries())
        if (into !== undefined) outputValues[i] = this.#wrapped(name, into)
      this.#call(
        'Run',
        ...[address, this.#runOptions, inputNames, inputValues, inputs.size],
        ...[outputNames, outputs.length, outputValues],
      )
      const results = new Map<string, HostTensor>()
      const kept = new Map<string, bigint>()
      for (const [i, { name, into, after, isKept }] of outputs.entries()) {
        if (isKept === true) kept.set(name, outputValues[i]!)
        else if (after === undefined) results.set(name, into ?? this.#copied(name, outputValues[i]!))
      }
      const updates = accepts(results)
      if (updates === false) return results
      this.#inUse = [...this.#inUse, updates]
      const places = outputs.flatMap(({ name, after }, i) =>
        after === undefined ? [] : [this.#fitting(name, outputValues[i]!, after, fitted.has(name))],
      )
      for (const { name, after } of outputs) if (after !== undefined) fitted.add(name)
      for (const update of updates) this.#update(update, kept)
      for (const { place, address } of places)
        if (place.data.byteLength > 0) this.#library.copy(place.data, address, place.data.byteLength)
      return results
    } finally {
      for (const value of [...inputValues, ...outputValues])
        if (value !== 0n) this.#release('ReleaseValue', value)
      this.#inUse = []
    }
  }

  /** Runs an update piece by piece, so that what it computes in between stays in the processor's cache. */
  #update({ session, vectors, scalars, outputs }: NativeUpdate, kept: ReadonlyMap<string, bigint>): void {
    const { address, names } = this.#session(session)
    const written = [...outputs].map(([name, tensor]) => ({
      name,
      tensor,
      start: this.#startOf(name, tensor),
    }))
    const count = written[0]?.tensor.data.length ?? 0
    const read = [...vectors].map(([name, source]) => ({
      name,
      start:
        typeof source === 'string'
          ? this.#startOfKept(source, kept.get(source), count)
          : this.#startOf(name, source, count),
    }))
    for (const { name, tensor } of written) this.#startOf(name, tensor, count)
    const inputNames = addressesOf(names, [...vectors.keys(), ...scalars.keys()])
    const outputNames = addressesOf(names, outputs.keys())
    const inputValues = new BigUint64Array(inputNames.length)
    const outputValues = new BigUint64Array(outputNames.length)
    try {
      for (const [i, [name, tensor]] of [...scalars].entries()) {
        checkMemory(name, tensor)
        inputValues[read.length + i] = this.#wrapped(name, tensor)
      }
      for (let at = 0; at < count; at += pieceSize) {
        const extents = BigInt64Array.of(BigInt(Math.min(pieceSize, count - at)))
        const piece = (start: bigint): bigint =>
          this.#made(
            'CreateTensorWithDataAsOrtValue',
            ...[this.#memory, start + BigInt(4 * at), 4 * Number(extents[0]), extents, 1],
            elements.float32.number,
          )
        for (const [i, { start }] of read.entries()) inputValues[i] = piece(start)
        for (const [i, { start }] of written.entries()) outputValues[i] = piece(start)
        this.#call(
          'Run',
          ...[address, this.#runOptions, inputNames, inputValues, inputNames.length],
          ...[outputNames, outputNames.length, outputValues],
        )
        for (const values of [inputValues.subarray(0, read.length), outputValues]) {
          for (const value of values) this.#release('ReleaseValue', value)
          values.fill(0n)
        }
      }
    } finally {
      for (const value of [...inputValues, ...outputValues])
        if (value !== 0n) this.#release('ReleaseValue', value)
    }
  }

  /** The address of float32 memory of `count` numbers. */
  #startOf(name: string, tensor: HostTensor, count = tensor.data.length): bigint {
    checkMemory(name, tensor)
    if (tensor.dtype !== 'float32' || tensor.data.length !== count) refuseVector(name, count)
    return this.#library.addressOf(tensor.data)
  }

  /** The same of an output that a run keeps. */
  #startOfKept(name: string, value: bigint | undefined, count: number): bigint {
    if (value === undefined)
      return fail({ kind: 'usage', message: 'the run keeps no such output', where: `output ${name}` })
    const { dtype, shape } = this.#specOf(name, value)
    if (dtype !== 'float32' || sizeOf(shape) !== count) refuseVector(name, count)
    return this.#made('GetTensorMutableData', value)
  }

  /** Closes a session, and writes its profile where it has one; a second time it does nothing. */
  closeSession(session: NativeSession): void {
    this.#refuseRunning()
    const opened = this.#sessions.get(session)
    if (opened === undefined) return
    this.#sessions.delete(session)
    try {
      if (opened.profiles) this.#endProfile(opened.address)
    } finally {
      this.#release('ReleaseSession', opened.address)
    }
  }

  /** Closes everything; a second time it does nothing. */
  close(): void {
    this.#refuseRunning()
    if (this.#isClosed) return
    for (const session of [...this.#sessions.keys()]) this.closeSession(session)
    this.#isClosed = true
    this.#release('ReleaseRunOptions', this.#runOptions)
    this.#release('ReleaseMemoryInfo', this.#memory)
    this.#release('ReleaseEnv', this.#environment)
  }

  #apply(options: InferenceSession.SessionOptions, settings: bigint): void {
    const { executionMode, graphOptimizationLevel, intraOpNumThreads, interOpNumThreads } = options
    if (executionMode !== 'sequential' || graphOptimizationLevel !== 'all')
      fail({ kind: 'usage', message: 'expected a sequential session with all optimizations' })
    this.#call('SetSessionExecutionMode', settings, 0)
    this.#call('SetSessionGraphOptimizationLevel', settings, 99)
    this.#call('SetSessionLogSeverityLevel', settings, options.logSeverityLevel ?? silent)
    this.#call('SetIntraOpNumThreads', settings, intraOpNumThreads ?? 0)
    this.#call('SetInterOpNumThreads', settings, interOpNumThreads ?? 0)
    if (options.enableMemPattern === false) this.#call('DisableMemPattern', settings)
    if (options.enableCpuMemArena === false) this.#call('DisableCpuMemArena', settings)
    if (options.enableProfiling === true)
      this.#call('EnableProfiling', settings, text(options.profileFilePrefix ?? ''))
    for (const [key, value] of entriesOf(options.extra ?? {}))
      this.#call('AddSessionConfigEntry', settings, text(key), text(value))
  }

  #endProfile(session: bigint): void {
    const allocator = this.#made('GetAllocatorWithDefaultOptions')
    const name = this.#made('SessionEndProfiling', session, allocator)
    this.#call('AllocatorFree', allocator, name)
  }

  /** Texts that stay where they are, each ended by a zero. */
  #texts(names: ReadonlySet<string>): { texts: Uint8Array; addresses: Map<string, bigint> } {
    const encoded = [...names].map(name => ({ name, bytes: new TextEncoder().encode(text(name)) }))
    const size = encoded.reduce((sum, { bytes }) => sum + bytes.length + 1, 1)
    const texts = new Uint8Array(new ArrayBuffer(size))
    const start = this.#library.addressOf(texts)
    let at = 0
    const addresses = new Map<string, bigint>()
    for (const { name, bytes } of encoded) {
      texts.set(bytes, at)
      addresses.set(name, start + BigInt(at))
      at += bytes.length + 1
    }
    return { texts, addresses }
  }

  /** A tensor of ONNX Runtime over this memory, to be released. */
  #wrapped(name: string, { dtype, shape, data }: HostTensor): bigint {
    const memory = data.byteLength === 0 ? nothing : data
    return this.#made(
      'CreateTensorWithDataAsOrtValue',
      ...[this.#memory, memory, data.byteLength, BigInt64Array.from(shape, BigInt), shape.length],
      (elements[dtype] ?? unsupported(name)).number,
    )
  }

  /** A copy of a tensor that ONNX Runtime has allocated. */
  #copied(name: string, value: bigint): HostTensor {
    const { dtype, shape } = this.#specOf(name, value)
    const { bytes, array } = elements[dtype]
    const data: TensorData = new array(new ArrayBuffer(bytes * sizeOf(shape)))
    if (data.byteLength > 0)
      this.#library.copy(data, this.#made('GetTensorMutableData', value), data.byteLength)
    return { dtype, shape, data }
  }

  /** Where a tensor that ONNX Runtime has allocated is, if it fits a place: by element type and shape, or only by its bytes. */
  #fitting(
    name: string,
    value: bigint,
    place: HostTensor,
    isKnown: boolean,
  ): { place: HostTensor; address: bigint } {
    const hasBytes = this.#made('GetTensorSizeInBytes', value) === BigInt(place.data.byteLength)
    const { dtype, shape } = isKnown && hasBytes ? place : this.#specOf(name, value)
    if (!hasBytes || dtype !== place.dtype || String(shape) !== String(place.shape)) {
      fail({
        kind: 'usage',
        message: `the program gave ${dtype} [${shape.join(', ')}] for ${place.dtype} [${place.shape.join(', ')}]`,
        where: `output ${name}`,
      })
    }
    return { place, address: this.#made('GetTensorMutableData', value) }
  }

  /** Element type and shape of a tensor of ONNX Runtime. */
  #specOf(name: string, value: bigint): Pick<HostTensor, 'dtype' | 'shape'> {
    const info = this.#made('GetTensorTypeAndShape', value)
    try {
      const type = new Int32Array(new ArrayBuffer(4))
      this.#call('GetTensorElementType', info, type)
      const rank = Number(this.#made('GetDimensionsCount', info))
      const extents = new BigInt64Array(new ArrayBuffer(8 * Math.max(rank, 1)))
      this.#call('GetDimensions', info, extents, rank)
      const shape = [...extents.subarray(0, rank)].map(Number)
      const dtype = dtypes.find(one => elements[one].number === type[0]) ?? unsupported(name)
      return { dtype, shape }
    } finally {
      this.#release('ReleaseTensorTypeAndShapeInfo', info)
    }
  }

  /** Every tensor fits its memory, and none that a run writes shares it with another. */
  #refuseShared(inputs: ReadonlyMap<string, HostTensor>, outputs: readonly NativeOutput[]): void {
    const starts = new Set<bigint>()
    for (const [name, tensor] of inputs) {
      checkMemory(name, tensor)
      if (tensor.data.byteLength > 0) starts.add(this.#library.addressOf(tensor.data))
    }
    for (const { name, into, after } of outputs) {
      if (after !== undefined) checkMemory(name, after)
      if (into === undefined) continue
      checkMemory(name, into)
      if (into.data.byteLength === 0) continue
      const start = this.#library.addressOf(into.data)
      if (starts.has(start))
        fail({
          kind: 'usage',
          message: 'a run would write over memory that it uses',
          where: `output ${name}`,
        })
      starts.add(start)
    }
  }

  #session(session: NativeSession): Opened {
    this.#refuseClosed()
    return this.#sessions.get(session) ?? fail({ kind: 'usage', message: 'the session is closed' })
  }

  #refuseRunning(): void {
    if (this.#inUse.length > 0) fail({ kind: 'usage', message: 'a run is in progress' })
  }

  #refuseClosed(): void {
    if (this.#isClosed) fail({ kind: 'usage', message: 'ONNX Runtime was closed in this thread' })
  }

  /** Calls a function whose last parameter is where it writes a pointer or a size. */
  #made(name: FunctionName, ...given: readonly NativeArgument[]): bigint {
    this.#out[0] = 0n
    this.#call(name, ...given, this.#out)
    return this.#out[0]
  }

  #call(name: FunctionName, ...given: readonly NativeArgument[]): void {
    const { functions } = this.#library
    const status = functions[name](...given)
    if (typeof status !== 'bigint') return
    const message = String(functions.GetErrorMessage(status))
    functions.ReleaseStatus(status)
    throw new Error(message)
  }

  #release(name: FunctionName, address: bigint): void {
    this.#library.functions[name](address)
  }
}

/** @throws MoietyError `usage` for a name that the session does not have */
function addressesOf(names: ReadonlyMap<string, bigint>, wanted: Iterable<string>): BigUint64Array {
  const named = (name: string): bigint =>
    names.get(name) ?? fail({ kind: 'usage', message: `the program has no input or output named "${name}"` })
  return BigUint64Array.from(wanted, named)
}

/** ONNX Runtime writes what it also returns to the process's stderr; 'fatal' keeps the terminal clean. */
const silent = 4

const dtypes: readonly DType[] = ['float32', 'uint8', 'int64', 'bool']

/** What an empty tensor points to. */
const nothing = new Uint8Array(new ArrayBuffer(8))

/** A text that C reads up to its end. */
function text(value: string): string {
  if (!value.includes('\0')) return value
  return fail({
    kind: 'usage',
    message: `a text for ONNX Runtime cannot have a zero: ${JSON.stringify(value)}`,
  })
}

/** `{ session: { intra_op: { allow_spinning: '0' } } }` as `session.intra_op.allow_spinning` and `0`. */
function entriesOf(extra: object, prefix = ''): (readonly [string, string])[] {
  return Object.entries(extra).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null
      ? entriesOf(value, `${prefix}${key}.`)
      : [[prefix + key, String(value)] as const],
  )
}

/** @throws MoietyError `data` where the memory of a tensor is not as large as its shape says, or of another kind */
function checkMemory(name: string, { dtype, shape, data }: HostTensor): void {
  const { array, bytes } = elements[dtype] ?? unsupported(name)
  const isShape = shape.every(extent => Number.isSafeInteger(extent) && extent >= 0)
  const size = sizeOf(shape)
  if (isShape && data instanceof array && Number.isSafeInteger(size) && data.byteLength === bytes * size)
    return
  fail({
    kind: 'data',
    message: `expected ${array.name} of ${size} values for ${dtype} [${shape.join(', ')}], but got ${data?.constructor?.name} of ${data?.length}`,
    where: `tensor ${name}`,
    help: 'the length of the array must be the product of the shape, and its class must fit the element type',
  })
}

function refuseVector(name: string, count: number): never {
  return fail({
    kind: 'usage',
    message: `an update expected ${count} numbers of float32 in each of its vectors`,
    where: `tensor ${name}`,
  })
}

function unsupported(name: string): never {
  return fail({
    kind: 'usage',
    message: 'expected an element type that Moiety has',
    where: `tensor ${name}`,
    help: `element types are ${dtypes.join(', ')}`,
  })
}
