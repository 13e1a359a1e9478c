import type { InferenceSession, Tensor } from 'onnxruntime-common'
import { MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import type { TensorSpec } from '../graph/program.ts'
import type { EngineSettings, OrtApi } from './protocol.ts'

/** A tensor that a session reads or has given: in the memory of the host, or on the device alone. */
export interface Held {
  readonly spec: Pick<HostTensor, 'dtype' | 'shape'>
  /** Undefined where the values are on the device. */
  readonly host: HostTensor | undefined
  /** Where they are then. */
  readonly onDevice?: Tensor
}

/** A tensor of the host. */
export function onHost(host: HostTensor): Held {
  return { spec: host, host }
}

/** An output that is asked for. */
export interface WantedOutput {
  readonly spec: TensorSpec
  /** Where its values may be put once the run is over and the others are accepted; it does not come back then. */
  readonly after?: HostTensor | undefined
  /** It is only for updates, and does not come back. */
  readonly isKept?: boolean
}

/** What a session computes over the state once a step counts, see `separate-updates.ts`. */
export interface Update {
  readonly session: Session
  /** Inputs: tensors, or the names of kept outputs. */
  readonly vectors: ReadonlyMap<string, HostTensor | string>
  readonly scalars: ReadonlyMap<string, HostTensor>
  /** Outputs and what they are written over. */
  readonly outputs: ReadonlyMap<string, HostTensor>
}

/** A program that is ready to be run. */
export interface Session {
  /**
   * @param accepts - asked once, with the outputs, which updates follow, before those that have a place for after the run are put
   *   there; false: nothing is written any more
   * @returns the outputs, each in memory that nothing else uses
   * @throws MoietyError `data` with the node's name when an operation fails
   */
  run(
    inputs: ReadonlyMap<string, Held>,
    outputs: readonly WantedOutput[],
    accepts?: (results: Map<string, Held>) => readonly Update[] | false,
  ): Promise<Map<string, Held>>
  /** Frees it, and writes its profile where it has one. */
  close(): Promise<void>
}

/** An encoded ONNX model with its inputs and outputs. */
export interface SessionProgram {
  readonly model: Uint8Array
  readonly inputs: readonly TensorSpec[]
  readonly outputs: readonly TensorSpec[]
}

/** A way to call ONNX Runtime. */
export interface Sessions {
  readonly api: OrtApi
  /** Version of the native library. */
  readonly version: string
  /**
   * @param name - what the file of its profile is called by
   * @throws MoietyError `usage` with the node's name when the model is not valid
   */
  open(
    program: SessionProgram,
    settings: EngineSettings,
    name: string,
    choices?: SessionChoices,
  ): Promise<Session>
  /** Frees what all sessions had in common, once they are closed. */
  close(): void
}

/** ONNX Runtime writes what it also throws to the process's stderr. 'fatal' keeps the terminal clean. */
export const silent = 4

/**
 * ONNX Runtime optimizers for patterns that our programs never contain: quantisation, and attention. Each
 * visits every node, and together they took a third of the time to create a session.
 */
const needlessRewritings = [
  ...['EnsureUniqueDQForNodeUnit', 'DoubleQDQPairsRemover', 'QDQPropagationTransformer'],
  ...['QDQS8ToU8Transformer', 'QDQSelectorActionTransformer', 'QDQFinalCleanupTransformer', 'WhereDummyDq'],
  ...[
    'WeightBiasQuantization',
    'MatMulIntegerToFloatFusion',
    'DynamicQuantizeMatMulFusion',
    'MatMulNBitsFusion',
  ],
  ...['LayerNormFusionL1', 'LayerNormFusionL2', 'SimplifiedLayerNormFusion', 'SkipLayerNormFusion'],
  ...['BiasSkipLayerNormFusion', 'EmbedLayerNormFusion', 'AttentionFusion', 'GroupQueryAttentionFusion'],
  ...[
    'GroupQueryAttentionPreNormFusion',
    'GeluFusionL1',
    'GeluFusionL2',
    'FastGeluFusion',
    'QuickGeluFusion',
  ],
  ...['BiasGeluFusion', 'BiasDropoutFusion', 'SliceConcatToSpaceToDepthFusion'],
]

/** What the sessions of an engine may differ in. */
export interface SessionChoices {
  /** Of one operation; the engine's when not given. */
  readonly threads?: number | undefined
  /** Whether the memory of a run is reused for the next one. Default: true. */
  readonly keepsMemory?: boolean
  /** Outputs that stay on the device (WebGPU). */
  readonly staying?: readonly string[]
}

/**
 * ONNX Runtime's options.
 *
 * They were chosen by timing ResNet-18's training step, alternating variants, on two shared cores.
 * Without the memory arena a step took up to twice as long; the thread pool's spinning, which costs processor time
 * while it waits, saved a tenth. Optimization levels, memory patterns and adaptive blocks of work differed by less
 * than the noise. Memory patterns are off: with them the second run asks for all its memory in one piece, which is
 * none of the pieces that the first run has left. Denormal numbers stay as they are: flushing them to zero reaches
 * only some of the threads that share an operation, so the result would depend on which.
 */
export function sessionOptions(
  settings: EngineSettings,
  name: string,
  { threads = settings.threads, keepsMemory = true, staying = [] }: SessionChoices = {},
): InferenceSession.SessionOptions {
  return {
    executionProviders: settings.device === 'cpu' ? ['cpu'] : [settings.device, 'cpu'],
    executionMode: 'sequential',
    enableCpuMemArena: keepsMemory,
    enableMemPattern: false,
    graphOptimizationLevel: 'all',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: silent,
    extra: {
      optimization: { disable_specified_optimizers: needlessRewritings.join(';') },
      // Additional threads belong to other engines, which wait meanwhile.
      ...(threads > settings.threads ? { session: { intra_op: { allow_spinning: '0' } } } : {}),
    },
    ...(settings.device === 'webgpu' && staying.length > 0
      ? { preferredOutputLocation: Object.fromEntries(staying.map(name => [name, 'gpu-buffer'])) }
      : {}),
    ...(settings.profile === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: `${settings.profile}-${name}` }),
  }
}

/**
 * ONNX Runtime's messages name the node as `running MatMul node. Name:'layer1.mm' Status Message: …` when it runs,
 * and as `In Node, ("layer1.mm", MatMul, …)` when it loads; the rest is the cause.
 */
export function translated(error: unknown, what: string): MoietyError {
  if (error instanceof MoietyError) return error
  const text = error instanceof Error ? error.message : String(error)
  const running = /running (\S+) node\. Name:'([^']*)' Status Message: ([\s\S]*)/.exec(text)
  const loading = /Node,? \("?([^",]*)"?, (\w+),/.exec(text)
  const [op, node] = running ? [running[1], running[2]] : loading ? [loading[2], loading[1]] : []
  const met = (running?.[3] ?? text).replace(/\s+/g, ' ').trim()
  return new MoietyError({
    kind: running ? 'data' : 'usage',
    message: `${what}: ${met}`,
    ...(op === undefined ? {} : { where: `node ${node === '' ? '(no name)' : node} (${op})` }),
    help: 'compare the shapes and element types that reach this place with what the program was built for',
    cause: error,
  })
}
