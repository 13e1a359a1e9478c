import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import { add, Graph, globalAveragePool, lower, mul, relu } from '../graph/index.ts'
import type { Classifier } from '../models/index.ts'
import { capacityOf, type DispatchName, type Gate, importance, mixtureOfExperts } from '../moe/index.ts'
import { batchNorm, conv, type Layer, linear, Scope } from '../nn/index.ts'
import { type Engines, startEngines } from '../runtime/engines.ts'
import { classifierOf } from '../tasks/index.ts'
import { classifierStepOptions } from './classification-step.ts'
import { differenceOf } from './probe-step.ts'
import { TrainingPrograms } from './training-programs.ts'

/** Training steps in which an expert takes a fixed number of images, in the programs of a training. */
const [classes, batch, size] = [3, 6, 4]

const expert: Layer = (scope, x) =>
  relu(
    scope.in('bn', inner =>
      batchNorm(
        inner,
        scope.in('conv', kernel => conv(kernel, x, { outputs: 4, kernel: 3 })),
      ),
    ),
  )

/** It learns, but the largest channel of an image decides. */
const byChannel: Gate = (scope, x, count) => {
  const mean = globalAveragePool(x)
  return add(mul(linear(scope, mean, count), 0.01), mul(mean, 10))
}

const classifier =
  (dispatch: DispatchName, capacityFactor?: number): Classifier =>
  (scope, images) => {
    const { output, losses, stats } = scope.in('mixture', inner =>
      mixtureOfExperts(inner, images, {
        experts: [expert, expert, expert],
        k: 1,
        gate: byChannel,
        constraint: importance({ weight: 0.5 }),
        weighting: 'softmax-before-top-k',
        noise: false,
        dispatch,
        capacityFactor,
      }),
    )
    return {
      logits: scope.in('fc', inner => linear(inner, globalAveragePool(output), classes)),
      losses,
      stats,
    }
  }

/** Image n has its largest values in channel `channels[n]`. */
const batchOf = (channels: readonly number[]) => ({
  form: { images: batch, height: size, width: size },
  feeds: new Map<string, HostTensor>([
    [
      'images',
      floats(
        [batch, 3, size, size],
        Float32Array.from({ length: batch * 3 * size ** 2 }, (_, i) => {
          const [n, channel] = [Math.floor(i / (3 * size ** 2)), Math.floor(i / size ** 2) % 3]
          return Math.sin(i) + (channel === channels[n] ? 3 : 0)
        }),
      ),
    ],
    ['labels', { dtype: 'int64', shape: [batch], data: BigInt64Array.from([0n, 1n, 2n, 0n, 1n, 2n]) }],
  ]),
})
const even = batchOf([0, 1, 2, 2, 1, 0])
const uneven = batchOf([0, 1, 0, 0, 2, 0])

const { optimizer } = resolveConfig({ optimizer: { name: 'sgd', learningRate: 0.1, momentum: 0.9 } }, 'test')

describe('dispatch to a capacity', () => {
  let alone: Engines
  let two: Engines
  beforeAll(async () => {
    alone = await startEngines({ replicas: 1, threads: 1 })
    two = await startEngines({ replicas: 2, threads: 2 })
  })
  afterAll(async () => {
    await Promise.all([...alone, ...two].map(engine => engine.stop()))
  })

  async function prepared(engines: Engines, dispatch: DispatchName, factor?: number, accumulate = 1) {
    const write = ({ images }: { readonly images: number }) =>
      classifierStepOptions({
        ...{ classifier: classifier(dispatch, factor), classes, batch: images, size },
        ...{ optimizer, labelSmoothing: 0, clipNorm: 1 },
      })
    const programs = new TrainingPrograms(engines, { write, accumulate }, 1)
    const step = await programs.for(even.form)
    await engines[0].setState(step.facts.initialState(1))
    await programs.spread(step)
    return { programs, step }
  }

  it('takes ⌈factor · K · N / E⌉ images, and never more than there are', () => {
    expect(capacityOf(128, 4, { k: 2, factor: 1.25 })).toBe(80)
    expect(capacityOf(7, 3, { k: 1, factor: 1 })).toBe(3)
    expect(capacityOf(128, 10, { k: 2 })).toBe(52)
    expect(capacityOf(8, 4, { k: 3 })).toBe(8)
    expect(capacityOf(1, 64, { k: 1, factor: 0.5 })).toBe(1)
  })

  it('takes the steps of sparse dispatch while it suffices, without an extent that is known only then', async () => {
    const results = []
    for (const [dispatch, factor] of [
      ['sparse', undefined],
      ['capacity', 1],
    ] as const) {
      const { programs, step } = await prepared(alone, dispatch, factor)
      const losses: number[] = []
      for (let i = 0; i < 3; i++) {
        const { outputs, committed } = await step.take(even, { step: i, epoch: 0, rate: 0.1 })
        expect(committed).toBe(true)
        losses.push(Number(outputs.get('loss')!.data[0]))
      }
      expect(new Set(losses).size).toBe(3)
      results.push(
        new Map<string, { readonly data: ArrayLike<number | bigint> }>([
          ['loss', { data: losses }],
          ...(await alone[0].readState()),
        ]),
      )
      await programs.release()
    }
    const difference = differenceOf(results[1]!, results[0]!)
    expect(difference.loss).toBeLessThan(1e-6)
    expect(difference.state, difference.tensor).toBeLessThan(1e-5)
  })

  it.each([
    ['by one engine', () => alone, 1],
    ['in two parts, one after the other', () => alone, 2],
    ['in two parts at once', () => two, 1],
  ] as const)('refuses a step with more, %s, and leaves the state', async (_, engines, accumulate) => {
    const { programs, step } = await prepared(engines(), 'capacity', 1, accumulate)
    const [first] = engines()
    const before = await first.readState()
    const parts = accumulate * engines().length
    const refused = await step.take(uneven, { step: 0, epoch: 0, rate: 0.1 }).catch(error => error)
    expect(refused).toBeInstanceOf(MoietyError)
    // Whole: images 0, 2, 3 and 5; halves: images 0 and 2, and images 3 and 5.
    const [count, of, taken, factor] = parts === 1 ? [4, 6, 2, 2] : [2, 3, 1, 2]
    expect(refused).toMatchObject({
      kind: 'usage',
      message: `${count} of ${of} images chose expert 0, which takes ${taken}: ⌈capacityFactor · K · N / E⌉ with capacityFactor = 1, K = 1, N = ${of}, E = 3`,
      where: 'mixture.experts.0',
      help: expect.stringContaining(
        `set capacityFactor of this layer to ${factor} or more (3 always suffices)`,
      ),
    })
    expect(await first.readState()).toEqual(before)
    await programs.release()
  })

  it('is sparse dispatch where nothing is trained', () => {
    const { model } = resolveConfig(
      {
        model: {
          width: 4,
          moe: [{ position: 4, experts: 3, dispatch: 'capacity', capacityFactor: 0.1 }],
        },
      },
      'test',
    )
    const ops = (training: boolean): string[] => {
      const graph = new Graph()
      const images = graph.input('images', 'float32', [training ? 8 : 'N', 3, 8, 8])
      const { logits } = classifierOf(model, { classes })(Scope.root(graph, { training }), images)
      return lower(new Map([['logits', logits]])).graph!.nodes.map(({ op }) => op)
    }
    expect(ops(true).filter(op => op === 'NonZero')).toEqual([])
    expect(ops(false).filter(op => op === 'NonZero')).toHaveLength(3)
  })
})

describe('a configuration', () => {
  const layer = (keys: object): object => ({ model: { width: 4, moe: [{ position: 4, ...keys }] } })

  it('has a capacity factor with dispatch capacity alone', () => {
    const { model } = resolveConfig(layer({ dispatch: 'capacity', capacityFactor: 1.25 }), 'test')
    expect(model.moe[0]).toMatchObject({ dispatch: 'capacity', capacityFactor: 1.25 })
    expect(() => resolveConfig(layer({ capacityFactor: 1.25 }), 'test')).toThrow(
      /dispatch sparse has no capacity/,
    )
    expect(() => resolveConfig(layer({ dispatch: 'capacity', capacityFactor: 0 }), 'test')).toThrow(
      /expected a number above 0/,
    )
  })
})
