import { cpus, loadavg } from 'node:os'
import { engineVersion } from 'moiety/runtime'

/** What a run of the bench depended on beside the code. */
export interface Environment {
  readonly onnxruntime: string
  /** PyTorch's version; null where it was not compared with. */
  readonly torch: string | null
  readonly node: string
  readonly processor: string
  readonly threads: number
  /** Parts of our batch. */
  readonly replicas: number
  /** Of the last 1, 5 and 15 minutes, when the run began. */
  readonly loadAverage: readonly number[]
  /** Settings of the C library's allocator, which all sides had: PyTorch's time can depend on them two- or threefold. */
  readonly allocator: Readonly<Record<string, string>>
}

/** To be called when a run begins. */
export function environmentOf(options: {
  readonly threads: number
  readonly replicas: number
}): Omit<Environment, 'torch'> {
  return {
    onnxruntime: engineVersion,
    node: process.versions.node,
    processor: cpus()[0]?.model ?? 'unknown',
    threads: options.threads,
    replicas: options.replicas,
    loadAverage: loadavg(),
    allocator: Object.fromEntries(
      Object.entries(process.env).flatMap(([name, value]) =>
        value !== undefined && /^(MALLOC_|GLIBC_TUNABLES$|LD_PRELOAD$)/.test(name)
          ? [[name, value] as const]
          : [],
      ),
    ),
  }
}

export function describeEnvironment(environment: Environment): string {
  const { onnxruntime, torch, node, processor, threads, replicas, loadAverage, allocator } = environment
  const parts = [
    `ONNX Runtime ${onnxruntime}`,
    `PyTorch ${torch ?? 'not compared'}`,
    `Node ${node}`,
    processor,
    `${threads} threads`,
    ...(replicas === 1 ? [] : [`our batch in ${replicas} parts`]),
    `load at the beginning ${loadAverage.map(load => load.toFixed(1)).join(' ')}`,
    ...Object.entries(allocator).map(([name, value]) => `${name}=${value}`),
  ]
  return parts.join(', ')
}
