import { floats, scalar } from '../base/tensor.ts'
import { encodeOnnx, type OnnxModel } from '../graph/onnx.ts'
import { type CudaPart, missingCudaParts } from './cuda-parts.ts'
import { type ApiInUse, type Device, devices } from './protocol.ts'
import { onHost } from './session.ts'
import { sessionsFor } from './sessions.ts'

/**
 * A separate process that tests one device. A broken driver may write to the terminal or
 * crash; the caller is isolated from both.
 */

/** The report of the process; a `failure` is the engine's message. */
export interface ProbeReport {
  readonly engine: ApiInUse
  readonly failure?: string
  /** Of CUDA, where it failed. */
  readonly missing?: readonly CudaPart[]
}

/** relu(conv(image, ones 2×2) − 20) on the image 1 … 9, worked out by hand: the windows sum to 12, 16, 24, 28. */
const expected = [0, 0, 4, 8]

const fed = {
  image: floats([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
  weight: floats([1, 1, 2, 2], [1, 1, 1, 1]),
  threshold: scalar(20),
}
const inputs = Object.entries(fed).map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
const outputs = [{ name: 'result', dtype: 'float32', shape: [1, 1, 2, 2] }] as const

const probeGraph: OnnxModel = {
  name: 'probe',
  nodes: [
    { op: 'Conv', name: 'conv', inputs: ['image', 'weight'], outputs: ['sums'], attributes: {} },
    { op: 'Sub', name: 'shift', inputs: ['sums', 'threshold'], outputs: ['shifted'], attributes: {} },
    { op: 'Relu', name: 'relu', inputs: ['shifted'], outputs: ['result'], attributes: {} },
  ],
  initializers: [],
  inputs,
  outputs,
}

async function probe(device: Device): Promise<ProbeReport> {
  const { open, version, api, reason } = await sessionsFor(device)
  const engine = { api, version, ...(reason === undefined ? {} : { reason }) }
  try {
    const settings = { device, threads: 1, profile: undefined, rewrite: false }
    const session = await open({ model: encodeOnnx(probeGraph), inputs, outputs }, settings, '0')
    const results = await session.run(
      new Map(Object.entries(fed).map(([name, tensor]) => [name, onHost(tensor)])),
      outputs.map(spec => ({ spec })),
    )
    const came = [...(results.get('result')?.host?.data ?? [])].map(Number)
    await session.close()
    const right = came.length === expected.length && expected.every((value, i) => came[i] === value)
    if (right) return { engine }
    return { engine, failure: `the probe gave ${came.join(', ')} instead of ${expected.join(', ')}` }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    const missing = device === 'cuda' && process.platform === 'linux' ? missingCudaParts() : []
    return { engine, failure, missing }
  }
}

// The parent process has ended.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
const device = devices.find(name => name === process.argv[2])
if (device !== undefined) process.send?.(await probe(device), () => process.exit(0))
