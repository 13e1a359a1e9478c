import { encodeOnnx } from '../graph/onnx.ts'
import { type CudaPart, missingCudaParts } from './cuda-parts.ts'
import { type Device, devices } from './protocol.ts'
import { loadedVersion, openSession, runSession, Tensor } from './session.ts'

/**
 * A separate process that tests one device. A broken driver may write to the terminal or
 * crash; the caller is isolated from both.
 */

/** The report of the process; a `failure` is the engine's message. */
export interface ProbeReport {
  readonly version: string
  readonly failure?: string
  /** Of CUDA, where it failed. */
  readonly missing?: readonly CudaPart[]
}

/** relu(conv(image, ones 2×2) − 20) on the image 1 … 9, worked out by hand: the windows sum to 12, 16, 24, 28. */
const expected = [0, 0, 4, 8]

const probeGraph = encodeOnnx({
  name: 'probe',
  nodes: [
    { op: 'Conv', name: 'conv', inputs: ['image', 'weight'], outputs: ['sums'], attributes: {} },
    { op: 'Sub', name: 'shift', inputs: ['sums', 'threshold'], outputs: ['shifted'], attributes: {} },
    { op: 'Relu', name: 'relu', inputs: ['shifted'], outputs: ['result'], attributes: {} },
  ],
  initializers: [],
  inputs: [
    { name: 'image', dtype: 'float32', shape: [1, 1, 3, 3] },
    { name: 'weight', dtype: 'float32', shape: [1, 1, 2, 2] },
    { name: 'threshold', dtype: 'float32', shape: [] },
  ],
  outputs: [{ name: 'result', dtype: 'float32', shape: [1, 1, 2, 2] }],
})

async function probe(device: Device): Promise<ProbeReport> {
  try {
    const session = await openSession(
      probeGraph,
      { device, threads: 1, profile: undefined, rewrite: false },
      0,
    )
    const { result } = await runSession(
      session,
      {
        image: new Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [1, 1, 3, 3]),
        weight: new Tensor('float32', new Float32Array(4).fill(1), [1, 1, 2, 2]),
        threshold: new Tensor('float32', Float32Array.of(20), []),
      },
      ['result'],
    )
    const came = [...(result?.data ?? [])].map(Number)
    await session.release()
    const right = came.length === expected.length && expected.every((value, i) => came[i] === value)
    if (right) return { version: loadedVersion }
    return {
      version: loadedVersion,
      failure: `the probe gave ${came.join(', ')} instead of ${expected.join(', ')}`,
    }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    const missing = device === 'cuda' && process.platform === 'linux' ? missingCudaParts() : []
    return { version: loadedVersion, failure, missing }
  }
}

// The parent process has ended.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
const device = devices.find(name => name === process.argv[2])
if (device !== undefined) process.send?.(await probe(device), () => process.exit(0))
