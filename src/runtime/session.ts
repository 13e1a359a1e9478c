import type { Tensor as EngineTensor, InferenceSession as Session } from 'onnxruntime-common'
import { fail, MoietyError } from '../base/errors.ts'
import type { HostTensor } from '../base/tensor.ts'
import { loadOnnxRuntime } from './onnxruntime.ts'
import type { EngineSettings } from './protocol.ts'

/**
 * The only file that loads ONNX Runtime: sessions, tensors and the translation of its errors.
 */

export const { InferenceSession, Tensor, env } = loadOnnxRuntime()
export type InferenceSession = Session
export type Tensor = EngineTensor

// ONNX Runtime writes what it also throws to the process's stderr. 'fatal' keeps the terminal clean.
env.logLevel = 'fatal'
const silent = 4

/** Version of the native library; available only when it is loaded. */
export const loadedVersion: string = env.versions.node ?? env.versions.common

/** A tensor for the engine, which shares the values' memory. */
export function toEngine(tensor: HostTensor): Tensor {
  const { dtype, data, shape } = tensor
  if (dtype === 'float32' && data instanceof Float32Array) return new Tensor('float32', data, shape)
  if (dtype === 'int64' && data instanceof BigInt64Array) return new Tensor('int64', data, shape)
  if (dtype === 'bool' && data instanceof Uint8Array) return new Tensor('bool', data, shape)
  if (dtype === 'uint8' && data instanceof Uint8Array) return new Tensor('uint8', data, shape)
  return fail({ kind: 'data', message: `a ${data.constructor.name} cannot hold values of ${dtype}` })
}

/** Whether the values of a tensor are on the device, where the host cannot read them. */
export function isOnDevice({ location }: Tensor): boolean {
  return location === 'gpu-buffer'
}

/** Element type and shape of a tensor from the engine. @throws MoietyError `usage` for an element type that Moiety does not have */
export function specOf(name: string, { type, dims }: Tensor): Pick<HostTensor, 'dtype' | 'shape'> {
  if (type === 'float32' || type === 'int64' || type === 'bool' || type === 'uint8')
    return { dtype: type, shape: [...dims] }
  return unsupported(name, type)
}

/** A tensor from the engine, which shares the values' memory. */
export function fromEngine(name: string, tensor: Tensor): HostTensor {
  const { type, data, dims } = tensor
  if (type === 'float32' && data instanceof Float32Array) return { dtype: type, shape: [...dims], data }
  if (type === 'int64' && data instanceof BigInt64Array) return { dtype: type, shape: [...dims], data }
  if ((type === 'bool' || type === 'uint8') && data instanceof Uint8Array) {
    return { dtype: type, shape: [...dims], data }
  }
  return unsupported(name, type)
}

function unsupported(name: string, type: string): never {
  return fail({
    kind: 'usage',
    message: `the program returned a tensor of ${type}, which Moiety does not support`,
    where: `tensor ${name}`,
    help: 'outputs must be float32, int64, bool or uint8',
  })
}

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
  program: number,
  { threads = settings.threads, keepsMemory = true, staying = [] }: SessionChoices = {},
): Session.SessionOptions {
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
      : { enableProfiling: true, profileFilePrefix: `${settings.profile}-${program}` }),
  }
}

/**
 * Builds a session for an ONNX model.
 *
 * @throws MoietyError `usage` with the node's name when the model is not valid
 */
export async function openSession(
  model: Uint8Array,
  settings: EngineSettings,
  program: number,
  choices?: SessionChoices,
): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(model, sessionOptions(settings, program, choices))
  } catch (error) {
    throw translated(error, 'the engine does not accept the program')
  }
}

/**
 * Runs a session and returns the requested outputs, each in its own memory.
 *
 * @throws MoietyError `data` with the node's name when an operation fails
 */
export async function runSession(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  outputs: readonly string[],
): Promise<Session.ReturnType> {
  try {
    return await session.run(feeds, outputs, { logSeverityLevel: silent })
  } catch (error) {
    throw translated(error, 'the engine could not run the program')
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
