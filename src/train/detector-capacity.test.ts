import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { anchorTargets } from '../models/index.ts'
import { type Engines, startEngines } from '../runtime/engines.ts'
import { detectionObjective } from '../tasks/detection/detection-objective.ts'
import { anchorsFor, detectorOf, isDetector } from '../tasks/index.ts'
import { differenceOf } from './probe-step.ts'
import { TrainingPrograms } from './training-programs.ts'

const { optimizer } = resolveConfig({ optimizer: { name: 'sgd', learningRate: 0.1, momentum: 0.9 } }, 'test')

describe('dispatch to a capacity in the heads of a detector', () => {
  const [side, images] = [16, 4]
  let engines: Engines
  beforeAll(async () => {
    engines = await startEngines({ replicas: 1, threads: 1 })
  })
  afterAll(async () => {
    await engines[0].stop()
  })

  /** A step of a narrow RetinaNet, and the state after it. */
  async function stepBy(dispatch: object) {
    const { model } = resolveConfig(
      {
        data: { name: 'coco', directory: '.', size: side },
        model: {
          name: 'resnet18',
          width: 4,
          detector: {
            channels: 8,
            headDepth: 1,
            matching: { lowQuality: true },
            mixture: { experts: 3, k: 2, noise: false, constraint: { name: 'kl' }, ...dispatch },
          },
        },
      },
      'test',
    )
    if (!isDetector(model)) expect.unreachable('it is a detector')
    const { boxes } = anchorsFor(model, [side, side])
    const anchors = boxes.length / 4
    const objects = Array.from({ length: images }, (_, n) => ({
      boxes: [n, 2, n + 6, 10],
      categories: [n % 2],
    }))
    const targets = anchorTargets(boxes, objects, 2)
    const form = { images, height: side, width: side }
    const programs = new TrainingPrograms(
      engines,
      {
        write: ({ images: count }) => ({
          objective: detectionObjective({
            detector: detectorOf(model, { classes: 2 }),
            anchors,
            boxWeight: 1,
          }),
          form: { ...form, images: count },
          ...{ optimizer, clipNorm: 1 },
        }),
      },
      1,
    )
    const step = await programs.for(form)
    await engines[0].setState(step.facts.initialState(1))
    await programs.spread(step)
    const feeds = new Map<string, HostTensor>([
      [
        'images',
        floats(
          [images, 3, side, side],
          Float32Array.from({ length: images * 3 * side ** 2 }, (_, i) => Math.sin(i) + Math.cos(i / 700)),
        ),
      ],
      ['classTargets', { dtype: 'int64', shape: [images, anchors], data: targets.classes }],
      ['boxTargets', floats([images, anchors, 4], targets.boxes)],
    ])
    const taken = await step.take({ form, feeds }, { step: 0, epoch: 0, rate: 0.1 }).catch(error => error)
    const state = await engines[0].readState()
    await programs.release()
    return { taken, state }
  }

  it('takes the step of sparse dispatch while it suffices, on every level', async () => {
    const [sparse, capacity] = [await stepBy({}), await stepBy({ dispatch: 'capacity', capacityFactor: 1.5 })]
    expect(capacity.taken.committed).toBe(true)
    const outcome = ({ taken, state }: typeof sparse) =>
      new Map<string, { readonly data: ArrayLike<number | bigint> }>([
        ['loss', taken.outputs.get('loss')],
        ...state,
      ])
    const difference = differenceOf(outcome(capacity), outcome(sparse))
    expect(difference.loss).toBeLessThan(1e-5)
    expect(difference.state, difference.tensor).toBeLessThan(1e-4)
  })

  it('refuses a step with more, and names head, level and expert', async () => {
    // Two of three experts for each of four images: one has three at least.
    const { taken } = await stepBy({ dispatch: 'capacity', capacityFactor: 0.5 })
    expect(taken).toBeInstanceOf(MoietyError)
    expect(taken).toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^[34] of 4 images on P\d chose expert \d, which takes 2: /),
      where: expect.stringMatching(/^head\.(classification|regression)_head\.experts\.\d$/),
    })
  })
})
