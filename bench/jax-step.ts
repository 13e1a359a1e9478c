import type { PackageFolder } from './alternative-packages.js'
import { epsilon, type PlainTensor, plainBlocks } from './plain-network.js'
import {
  comparedSteps,
  type PlainTraining,
  type TimedAlternative,
  trainedValues,
} from './timed-alternative.js'

// biome-ignore lint/suspicious/noExplicitAny: the package is not installed here, nor are its types
type Any = any

/**
 * A training step of the plain ResNet-18 in jax-js, compiled as a whole: loss, gradients and SGD. It does not keep the running
 * averages of BatchNorm. Each use of an array but its last says `.ref`, as the library counts references.
 */
export async function jaxStep(
  packages: PackageFolder,
  { state, images, labels, classes, descent: { rate, momentum, weightDecay } }: PlainTraining,
): Promise<TimedAlternative> {
  const jax = packages.load('@jax-js/jax')
  // Of no device: it would ask for a graphics card, for which Node 20 has no `navigator`.
  await jax.init('wasm')
  jax.defaultDevice('wasm')
  const { numpy: np, lax, nn } = jax
  const array = ({ data, shape }: PlainTensor): Any => np.array(Float32Array.from(data)).reshape([...shape])

  const norm = (p: Any, name: string, x: Any): Any => {
    const centred = x.ref.sub(np.mean(x, [0, 2, 3], { keepdims: true }))
    const variance = np.mean(np.square(centred.ref), [0, 2, 3], { keepdims: true })
    const perChannel = (part: string): Any => p[`${name}.${part}`].reshape([1, -1, 1, 1])
    const normal = centred.div(np.sqrt(variance.add(epsilon)))
    return normal.mul(perChannel('weight')).add(perChannel('bias'))
  }
  const conv = (p: Any, name: string, x: Any, stride: number): Any => {
    const pad = name.includes('downsample') ? 0 : 1
    const padding = [0, 1].map(() => [pad, pad])
    return lax.conv(x, p[`${name}.weight`], [stride, stride], padding)
  }
  const loss = (p: Any, x: Any, targets: Any): Any => {
    let y = nn.relu(norm(p, 'bn1', conv(p, 'conv1', x, 1)))
    for (const { name, stride, hasDownsample } of plainBlocks) {
      const shortcut = hasDownsample
        ? norm(p, `${name}.downsample.1`, conv(p, `${name}.downsample.0`, y.ref, stride))
        : y.ref
      const inner = nn.relu(norm(p, `${name}.bn1`, conv(p, `${name}.conv1`, y, stride)))
      y = nn.relu(norm(p, `${name}.bn2`, conv(p, `${name}.conv2`, inner, 1)).add(shortcut))
    }
    const logits = np.matmul(np.mean(y, [2, 3]), np.transpose(p['fc.weight'])).add(p['fc.bias'])
    return nn
      .logSoftmax(logits)
      .mul(targets)
      .sum()
      .mul(-1 / labels.length)
  }
  const step = jax.jit((p: Any, velocity: Any, x: Any, targets: Any) => {
    const held = Object.fromEntries(Object.entries<Any>(p).map(([name, value]) => [name, value.ref]))
    const [value, gradients] = jax.valueAndGrad(loss)(held, x, targets)
    const [next, velocities]: [Record<string, Any>, Record<string, Any>] = [{}, {}]
    for (const name of Object.keys(p)) {
      const g = gradients[name].add(p[name].ref.mul(weightDecay))
      const u = velocity[name].mul(momentum).add(g.ref)
      velocities[name] = u.ref
      next[name] = p[name].sub(g.add(u.mul(momentum)).mul(rate))
    }
    return [value, next, velocities]
  })

  const trained = trainedValues(state)
  let parameters: Any = Object.fromEntries(trained.map(([name, value]) => [name, array(value)]))
  let velocity: Any = Object.fromEntries(
    trained.map(([name, { shape, data }]) => [name, array({ shape, data: new Float32Array(data.length) })]),
  )
  const input = array(images)
  const oneHot = new Float32Array(labels.length * classes)
  for (const [i, label] of labels.entries()) oneHot[i * classes + label] = 1
  const targets = array({ shape: [labels.length, classes], data: oneHot })

  const take = async (): Promise<number> => {
    const [value, next, velocities] = step(parameters, velocity, input.ref, targets.ref)
    parameters = next
    velocity = velocities
    await jax.blockUntilReady([next, velocities].flatMap(tree => Object.values<Any>(tree)))
    return (await value.data())[0]
  }
  return {
    // Its workers need a global `Worker`, which browsers have.
    threads: 'Worker' in globalThis ? null : 1,
    outputs: async () => {
      const losses: number[] = []
      for (let i = 0; i < comparedSteps; i++) losses.push(await take())
      return losses
    },
    run: async () => {
      await take()
    },
    stop: async () => undefined,
  }
}
