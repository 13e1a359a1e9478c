import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, scalar, sizeOf } from '../base/tensor.ts'
import type { MoeLayerConfig } from '../config/config.ts'
import { Engine } from '../runtime/index.ts'
import { evaluationProgram } from '../tasks/classification/evaluation-program.ts'
import { classifierOf } from '../tasks/classifier-of.ts'
import { trainingStep } from './classification-step.ts'

/** Random images with random labels: nothing can be learnt but the images themselves. */
const [images, size, classes] = [32, 8, 10]

const normals = (shape: readonly number[], purpose: string, step = 0): HostTensor => {
  const source = draws(6, purpose, step)
  return floats(
    shape,
    Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}
const labels: HostTensor = {
  dtype: 'int64',
  shape: [images],
  data: BigInt64Array.from({ length: images }, (_, i) => BigInt(draws(6, 'label', i).below(classes))),
}

const mixture: MoeLayerConfig = {
  position: 3,
  style: 'resblock',
  experts: 4,
  k: 2,
  expertWidth: null,
  gate: 'gap-fc',
  gateWidth: 256,
  noise: true,
  weighting: 'softmax-after-top-k',
  dispatch: 'sparse',
  constraint: { name: 'importance', weight: 0.5, lift: null },
}

describe('a tiny network', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  it.each([
    ['plain', []],
    ['with a soft mixture', [mixture]],
    [
      'with a hard mixture',
      [{ ...mixture, noise: false, constraint: { name: 'relative', threshold: 0.5, lift: null } }],
    ],
    [
      'with one expert an image, straight through',
      [
        {
          ...mixture,
          k: 1,
          weighting: 'softmax-before-top-k',
          constraint: { name: 'entropy', weight: 0.1, lift: null },
        },
      ],
    ],
  ] as const)(
    '%s starts at a loss of about ln(classes) and learns 32 random images by heart',
    async (_name, moe) => {
      const classifier = classifierOf(
        { name: 'resnet18', stem: 'cifar', width: 8, weights: null, weightsPart: 'whole', moe },
        { classes },
      )
      const step = trainingStep({
        classifier,
        classes,
        batch: images,
        size,
        optimizer: { name: 'adam', learningRate: 0.005, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
        labelSmoothing: 0,
        clipNorm: null,
      })
      await engine.setState(step.initialState(1))
      const program = await engine.load(step.program)
      const batch = new Map([
        ['images', normals([images, 3, size, size], 'images')],
        ['labels', labels],
      ])
      const losses: number[] = []
      const correct: number[] = []
      for (let i = 0; i < 40; i++) {
        const noise = step.noise.map(({ name, shape }) => [name, normals(shape, name, i)] as const)
        const { outputs } = await program.step(
          new Map([...batch, ['learningRate', scalar(0.005)], ...noise]),
          step,
        )
        losses.push(Number(outputs.get('taskLoss')!.data[0]))
        correct.push(Number(outputs.get('correct1')!.data[0]))
      }
      expect(Math.abs(losses[0]! - Math.log(classes))).toBeLessThan(0.6)
      expect(correct.at(-1)).toBe(images)
      expect(losses.at(-1)).toBeLessThan(0.1)

      // A batch of all images has the statistics that the averages approach, so evaluation knows them as well.
      const evaluation = await engine.load(evaluationProgram({ classifier, size }).program)
      const results = await evaluation.run(batch)
      expect(Number(results.get('correct1')!.data[0])).toBeGreaterThanOrEqual(moe.length === 0 ? images : 28)
      await program.release()
      await evaluation.release()
    },
  )
})
