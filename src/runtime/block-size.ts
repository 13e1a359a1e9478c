import { encodeOnnx, type OnnxModel } from '../graph/onnx.ts'
import { withBlocks } from './blocks.ts'
import { openSession, runSession, Tensor } from './session.ts'

/**
 * How many channels ONNX Runtime keeps side by side in a block: 16 with AVX-512, 8 with AVX2, none elsewhere. It does not
 * say, and a wrong guess computes garbage without a word, so each is tried against the plain convolution.
 */
const known: readonly number[] = [16, 8]

/** Two images of 16 channels, a kernel that gives 16: one block of the largest size. */
const [images, channels, extent] = [2, 16, 5]

const convolution: OnnxModel = {
  name: 'block size',
  nodes: [
    {
      op: 'Conv',
      name: 'convolution',
      inputs: ['x', 'w'],
      outputs: ['y'],
      attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
      meaning: { kind: 'convolution', channels: { inputs: channels, outputs: channels } },
    },
  ],
  initializers: [],
  inputs: [
    { name: 'x', dtype: 'float32', shape: [images, channels, extent, extent] },
    { name: 'w', dtype: 'float32', shape: [channels, channels, 3, 3] },
  ],
  outputs: [{ name: 'y', dtype: 'float32', shape: [images, channels, extent, extent] }],
}

/** Small whole numbers without a pattern: their products and sums are exact, whatever the order. */
function whole(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => ((i * i * 7 + i * 3) % 11) - 5)
}

/**
 * The block size of this processor, or undefined where convolutions are better left as they are.
 *
 * @param candidates - the sizes to try, in this order
 */
export async function blockSize(candidates = known): Promise<number | undefined> {
  if (process.arch !== 'x64') return undefined
  const plain = await result(convolution)
  for (const block of candidates) {
    const blocked = await result(withBlocks(convolution, block)).catch(() => undefined)
    const isSame = blocked?.length === plain.length && blocked.every((value, i) => value === plain[i])
    if (isSame) return block
  }
  return undefined
}

async function result(model: OnnxModel): Promise<Float32Array> {
  const settings = { device: 'cpu', threads: 1, profile: undefined, rewrite: false } as const
  const session = await openSession(encodeOnnx(model), settings, 0)
  try {
    const tensors = Object.fromEntries(
      model.inputs.map(({ name, shape }) => {
        const extents = shape.map(Number)
        const count = extents.reduce((product, dim) => product * dim, 1)
        return [name, new Tensor('float32', whole(count), extents)]
      }),
    )
    const { y } = await runSession(session, tensors, ['y'])
    const data = y?.data
    return data instanceof Float32Array ? data : new Float32Array()
  } finally {
    await session.release()
  }
}
