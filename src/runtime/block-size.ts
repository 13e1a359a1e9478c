import { sizeOf } from '../base/tensor.ts'
import { encodeOnnx, type OnnxModel } from '../graph/onnx.ts'
import type { TensorSpec } from '../graph/program.ts'
import { withBlockedLayout } from './blocked-layout.ts'
import { onHost, type Sessions } from './session.ts'
import { sessionsFor } from './sessions.ts'

/**
 * The number of channels in a block of ONNX Runtime's blocked layout: 16 with AVX-512, 8 with AVX2, none elsewhere. It does not
 * report it, and a wrong guess silently computes garbage, so each is compared with standard ops.
 */
const known: readonly number[] = [16, 8]

/** Two images of 16 channels, a kernel that gives 16: one block of the largest size. */
const [images, channels, extent] = [2, 16, 5]
const activation = [images, channels, extent, extent]
const vectors = ['scale', 'shift', 'mean', 'variance']
const inputs: readonly TensorSpec[] = [
  { name: 'x', dtype: 'float32', shape: activation },
  { name: 'w', dtype: 'float32', shape: [channels, channels, 3, 3] },
  ...vectors.map(name => ({ name, dtype: 'float32', shape: [channels] }) as const),
]
const outputs: readonly TensorSpec[] = [{ name: 'y', dtype: 'float32', shape: activation }]

/**
 * y = BatchNorm(relu(conv(x) + x)): on blocks it is a convolution that adds and cuts off, means of channels, and convolutions of each
 * channel by itself, so every kind of op in the blocked layout affects the result.
 */
const probe: OnnxModel = {
  name: 'block size',
  nodes: [
    {
      op: 'Conv',
      name: 'convolution',
      inputs: ['x', 'w'],
      outputs: ['convolved'],
      attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      semantics: { kind: 'convolution', channels: { inputs: channels, outputs: channels } },
    },
    { op: 'Add', name: 'add', inputs: ['convolved', 'x'], outputs: ['added'], attributes: {} },
    { op: 'Relu', name: 'relu', inputs: ['added'], outputs: ['cut off'], attributes: {} },
    {
      op: 'BatchNormalization',
      name: 'normalise',
      inputs: ['cut off', ...vectors],
      outputs: ['y', 'mean of the batch', 'variance of the batch'],
      attributes: { epsilon: { float: 1 }, momentum: { float: 0 }, training_mode: 1 },
    },
  ],
  initializers: [],
  inputs,
  outputs,
  shapes: new Map(['x', 'convolved', 'added', 'cut off', 'y'].map(name => [name, activation])),
}

/** Small integers without a pattern. */
function whole(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * i * 7 + i * 3) % 11) - 5)
}

/**
 * The block size of this processor, or undefined where the blocked layout is not available.
 *
 * @param candidates - the sizes to try, in this order
 * @param sessions - how ONNX Runtime is called; by default as an engine on the processor does
 */
export async function blockSize(candidates = known, sessions?: Sessions): Promise<number | undefined> {
  if (process.arch !== 'x64') return undefined
  const ways = sessions ?? (await sessionsFor('cpu'))
  const plain = await result(probe, ways)
  for (const block of candidates) {
    const blocked = await result(withBlockedLayout(probe, block), ways).catch(() => undefined)
    if (blocked?.length === plain.length && blocked.every((value, i) => isNear(value, plain[i]!)))
      return block
  }
  return undefined
}

/** Equal up to rounding; the result of a wrong size differs in the first digit. */
function isNear(value: number, wanted: number): boolean {
  return Math.abs(value - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted))
}

async function result(model: OnnxModel, sessions: Sessions): Promise<Float32Array> {
  const settings = { device: 'cpu', threads: 1, profile: undefined, rewrite: false } as const
  const session = await sessions.open({ model: encodeOnnx(model), inputs, outputs }, settings, '0')
  try {
    const tensors = inputs.map(({ name, shape }) => {
      const extents = shape.map(Number)
      return [name, onHost({ dtype: 'float32', shape: extents, data: whole(sizeOf(extents)) })] as const
    })
    const results = await session.run(
      new Map(tensors),
      outputs.map(spec => ({ spec })),
    )
    const data = results.get('y')?.host?.data
    return data instanceof Float32Array ? data : new Float32Array()
  } finally {
    await session.close()
  }
}
