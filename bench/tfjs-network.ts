import type { PackageFolder } from './alternative-packages.js'
import { folded, type PlainTensor, plainBlocks } from './plain-network.js'
import { type TfjsBackend, tfjs } from './tfjs.js'
import type { TimedAlternative } from './timed-alternative.js'

// biome-ignore lint/suspicious/noExplicitAny: the packages are not installed here, nor are their types
type Any = any

/**
 * The plain ResNet-18 in TensorFlow.js, with BatchNorm in the kernels and bias and relu in the convolutions, as its converter
 * leaves a network.
 */
export async function tfjsNetwork(
  packages: PackageFolder,
  backend: TfjsBackend,
  {
    state,
    images,
    threads,
  }: { state: ReadonlyMap<string, PlainTensor>; images: PlainTensor; threads: number },
): Promise<TimedAlternative> {
  const { tf, used } = await tfjs(packages, backend, threads)
  const layers = new Map<string, { readonly filter: Any; readonly bias: Any }>()
  const prepare = (conv: string, norm: string): void => {
    const { kernel, bias } = folded(state, conv, norm)
    const filter = tf.tidy(() => tf.tensor(kernel.data, kernel.shape).transpose([2, 3, 1, 0]))
    layers.set(conv, { filter, bias: tf.tensor(bias) })
  }
  prepare('conv1', 'bn1')
  for (const { name, hasDownsample } of plainBlocks) {
    for (const part of ['1', '2']) prepare(`${name}.conv${part}`, `${name}.bn${part}`)
    if (hasDownsample) prepare(`${name}.downsample.0`, `${name}.downsample.1`)
  }
  const [weight, bias] = ['fc.weight', 'fc.bias'].map(name => {
    const { data, shape } = state.get(name)!
    return tf.tensor(data, shape)
  })
  const conv = (x: Any, name: string, strides: number, activation: 'relu' | 'linear'): Any => {
    const { filter, bias } = layers.get(name)!
    const pad = name.includes('downsample') ? 0 : 1
    return tf.fused.conv2d({ x, filter, strides, pad, bias, activation })
  }
  const forward = (): Any =>
    tf.tidy(() => {
      let x = conv(input, 'conv1', 1, 'relu')
      for (const { name, stride, hasDownsample } of plainBlocks) {
        const inner = conv(x, `${name}.conv1`, stride, 'relu')
        const shortcut = hasDownsample ? conv(x, `${name}.downsample.0`, stride, 'linear') : x
        x = conv(inner, `${name}.conv2`, 1, 'linear').add(shortcut).relu()
      }
      return tf.matMul(x.mean([1, 2]), weight, false, true).add(bias)
    })
  const input = tf.tidy(() => tf.tensor(images.data, images.shape).transpose([0, 2, 3, 1]))
  const logits = async (): Promise<Float32Array> => {
    const result = forward()
    const data: Float32Array = await result.data()
    result.dispose()
    return data
  }
  return {
    threads: used,
    outputs: async () => [...(await logits())],
    run: async () => {
      await logits()
    },
    stop: async () => undefined,
  }
}
