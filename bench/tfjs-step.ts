import type { PackageFolder } from './alternative-packages.js'
import { epsilon, type PlainTensor, plainBlocks } from './plain-network.js'
import { type TfjsBackend, tfjs } from './tfjs.js'
import {
  comparedSteps,
  type PlainTraining,
  type TimedAlternative,
  trainedValues,
} from './timed-alternative.js'

// biome-ignore lint/suspicious/noExplicitAny: the packages are not installed here, nor are their types
type Any = any

/** A training step of the plain ResNet-18 in TensorFlow.js: loss, gradients and SGD, without the running averages of BatchNorm. */
export async function tfjsStep(
  packages: PackageFolder,
  backend: TfjsBackend,
  {
    state,
    images,
    labels,
    classes,
    descent: { rate, momentum, weightDecay },
    threads,
  }: PlainTraining & { threads: number },
): Promise<TimedAlternative> {
  const { tf, used } = await tfjs(packages, backend, threads)
  const values = trainedValues(state)
  const tensor = ({ data, shape }: PlainTensor): Any =>
    tf.tidy(() => {
      const whole = tf.tensor(data, shape)
      return shape.length === 4 ? whole.transpose([2, 3, 1, 0]) : whole.clone()
    })
  const p: Record<string, Any> = Object.fromEntries(
    values.map(([name, value]) => [name, tf.variable(tensor(value), true, name)]),
  )
  const velocity: Record<string, Any> = Object.fromEntries(
    Object.entries(p).map(([name, value]) => [name, tf.variable(tf.zerosLike(value), false)]),
  )
  const input = tf.tidy(() => tf.tensor(images.data, images.shape).transpose([0, 2, 3, 1]))
  const targets = tf.tidy(() => tf.oneHot(tf.tensor1d(labels, 'int32'), classes).toFloat())

  const norm = (x: Any, name: string): Any => {
    const { mean, variance } = tf.moments(x, [0, 1, 2], true)
    return x.sub(mean).div(variance.add(epsilon).sqrt()).mul(p[`${name}.weight`]).add(p[`${name}.bias`])
  }
  const conv = (x: Any, name: string, stride: number): Any =>
    tf.conv2d(x, p[`${name}.weight`], stride, name.includes('downsample') ? 0 : 1)
  const loss = (): Any => {
    let x = norm(conv(input, 'conv1', 1), 'bn1').relu()
    for (const { name, stride, hasDownsample } of plainBlocks) {
      const shortcut = hasDownsample
        ? norm(conv(x, `${name}.downsample.0`, stride), `${name}.downsample.1`)
        : x
      const inner = norm(conv(x, `${name}.conv1`, stride), `${name}.bn1`).relu()
      x = norm(conv(inner, `${name}.conv2`, 1), `${name}.bn2`)
        .add(shortcut)
        .relu()
    }
    const logits = tf.matMul(x.mean([1, 2]), p['fc.weight'], false, true).add(p['fc.bias'])
    return tf
      .logSoftmax(logits)
      .mul(targets)
      .sum()
      .mul(-1 / labels.length)
  }
  const take = async (): Promise<number> => {
    const value = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss)
      for (const [name, parameter] of Object.entries(p)) {
        const g = grads[name].add(parameter.mul(weightDecay))
        const u = velocity[name].mul(momentum).add(g)
        velocity[name].assign(u)
        parameter.assign(parameter.sub(g.add(u.mul(momentum)).mul(rate)))
      }
      return value
    })
    const [number]: Float32Array = await value.data()
    value.dispose()
    return number!
  }
  return {
    threads: used,
    outputs: async () => {
      const losses: number[] = []
      for (let i = 0; i < comparedSteps; i++) losses.push(await take())
      return losses
    },
    run: async () => void (await take()),
    stop: async () => undefined,
  }
}
