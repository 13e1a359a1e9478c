import { expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { Engine } from '../runtime/index.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { trainingStep } from './classification-step.ts'

const [batch, size, classes] = [8, 8, 4]

function random(shape: readonly number[], purpose: string, step: number): HostTensor {
  const source = draws(1, purpose, step)
  return floats(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

it('keeps its memory over a thousand training steps whose experts get another number of images each time', async () => {
  const config = resolveConfig(
    {
      model: {
        name: 'resnet18',
        width: 4,
        moe: [{ position: 4, experts: 4, k: 2, constraint: { name: 'none' } }],
      },
    },
    'test',
  )
  const step = trainingStep({
    classifier: classifierOf(config.model, { classes }),
    classes,
    batch,
    size,
    optimizer: config.optimizer,
    labelSmoothing: 0,
    clipNorm: 1,
  })
  const engine = await Engine.start({ threads: 1 })
  const loaded = await engine.load(step.program)
  await engine.setState(step.initialState(1))
  const shares = new Set<string>()
  const advance = async (from: number, to: number): Promise<number> => {
    for (let i = from; i < to; i++) {
      const feeds = new Map([
        ['images', random([batch, 3, size, size], 'images', i)],
        [
          'labels',
          {
            dtype: 'int64',
            shape: [batch],
            data: BigInt64Array.from({ length: batch }, (_, n) => BigInt(n % classes)),
          } as const,
        ],
        ['learningRate', scalar(1e-4)],
        ...step.noise.map(({ name, shape }) => [name, random(shape, name, i)] as const),
      ])
      const { outputs, committed } = await loaded.step(feeds, { updates: step.updates, guards: step.guards })
      expect(committed).toBe(true)
      shares.add(String(outputs.get('layer4.activation')!.data))
    }
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < 10; i++) {
      await new Promise(resolve => setTimeout(resolve, 20))
      least = Math.min(least, process.memoryUsage().rss / 2 ** 20)
    }
    return least
  }
  await advance(0, 200)
  const middle = await advance(200, 700)
  const end = await advance(700, 1200)
  await engine.stop()
  expect(shares.size).toBeGreaterThan(20)
  // What is garbage is collected in waves, so the least of several looks counts; a tensor kept would be far more.
  expect(end - middle).toBeLessThan(48)
})
