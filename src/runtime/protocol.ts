import type { ErrorFacts } from '../base/errors.ts'
import type { HostTensor, TensorData } from '../base/tensor.ts'
import type { OnnxModel } from '../graph/onnx.ts'
import type { TensorSpec } from '../graph/program.ts'

/** A device that can run programs. */
export type Device = 'cpu' | 'webgpu' | 'cuda'

/** All of them, the processor first. */
export const devices: readonly Device[] = ['cpu', 'webgpu', 'cuda']

/** How ONNX Runtime is called: by its C API, or by its binding for Node. */
export type OrtApi = 'c' | 'node'

/** Both, the one that is taken where it can be first. */
export const ortApis: readonly OrtApi[] = ['c', 'node']

/** How an engine calls ONNX Runtime. */
export interface ApiInUse {
  readonly api: OrtApi
  /** Version of the native library. */
  readonly version: string
  /** Why it is not the C API. */
  readonly reason?: string
}

/** Settings of the engine, with defaults resolved. */
export interface EngineSettings {
  readonly device: Device
  readonly threads: number
  /** Prefix of the files that the profiler writes, one a loaded program. */
  readonly profile: string | undefined
  /** Whether programs may be rewritten for the processor. */
  readonly rewrite: boolean
}

/** Requests to the engine's thread. Programs are referenced by number, to keep messages small. */
export type Request =
  | { readonly kind: 'start'; readonly settings: EngineSettings; readonly api: OrtApi | undefined }
  | {
      readonly kind: 'load'
      readonly program: number
      /** An encoded model runs unchanged; one that is not yet encoded may be rewritten before. */
      readonly model: Uint8Array | OnnxModel
      readonly inputs: readonly TensorSpec[]
      readonly outputs: readonly TensorSpec[]
      /** Threads of one operation; default: the engine's. */
      readonly threads: number | undefined
      /** Whether the memory of a run is reused for the next one. */
      readonly keepsMemory: boolean
      /** Of a program for `step`: outputs by the tensors of the state that they become. Empty for others. */
      readonly updates: ReadonlyMap<string, string>
    }
  | {
      readonly kind: 'run'
      readonly program: number
      readonly feeds: ReadonlyMap<string, HostTensor>
      readonly outputs: readonly string[]
    }
  | {
      readonly kind: 'step'
      readonly program: number
      readonly feeds: ReadonlyMap<string, HostTensor>
      readonly updates: ReadonlyMap<string, string>
      readonly guards: readonly string[]
    }
  | { readonly kind: 'setState'; readonly state: ReadonlyMap<string, HostTensor> }
  | { readonly kind: 'readState'; readonly names: readonly string[] | undefined }
  | { readonly kind: 'share'; readonly names: readonly string[] }
  | { readonly kind: 'adopt'; readonly shared: ReadonlyMap<string, HostTensor> }
  | { readonly kind: 'release'; readonly program: number }
  | { readonly kind: 'stop' }

/** The result of a training step. */
export interface StepResult {
  /** Every output that is not an update of the state. */
  readonly outputs: Map<string, HostTensor>
  /** False when a guard was not finite; the state is then unchanged. */
  readonly committed: boolean
  /** The guards with a value that is not finite, in the order in which they were given. */
  readonly nonFinite: readonly string[]
}

/** The answer to each kind of request. */
export interface Replies {
  readonly start: ApiInUse
  readonly load: true
  readonly run: Map<string, HostTensor>
  readonly step: StepResult
  readonly setState: true
  readonly readState: Map<string, HostTensor>
  readonly share: Map<string, HostTensor>
  readonly adopt: true
  readonly release: true
  readonly stop: true
}

export interface Envelope {
  readonly id: number
  readonly request: Request
}

/** A reply under the name of its request's kind, or an error. */
export interface Answer {
  readonly id: number
  readonly reply?: Partial<Replies>
  readonly error?: ErrorFacts
}

/**
 * Two words of shared memory. The engine's thread sets `running` while it is inside ONNX Runtime,
 * and enters it no more once `stopping` is set: to end a thread that is inside aborts the whole process.
 */
export const flags = { running: 0, stopping: 1 } as const

/** What the engine's thread is started with: an Int32Array over this memory holds the {@link flags}. */
export interface ThreadData {
  readonly flags: SharedArrayBuffer
}

/** The buffers of these tensors, each once, for a message that transfers them. */
export function buffersOf(tensors: Iterable<HostTensor>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>()
  for (const { data } of tensors) {
    if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer)
  }
  return [...buffers]
}

/** A tensor that owns its whole buffer: copying or transferring a view would include the rest of the buffer. */
export function alone(tensor: HostTensor): HostTensor {
  const { data } = tensor
  const whole = data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength
  return whole ? tensor : { ...tensor, data: copyOf(data) }
}

/** The same values in a buffer of their own. */
export function copyOf(data: TensorData): TensorData {
  if (data instanceof Float32Array) return new Float32Array(data)
  if (data instanceof BigInt64Array) return new BigInt64Array(data)
  return new Uint8Array(data)
}
