import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { floats, type HostTensor } from '../base/tensor.ts'
import { Graph, gradients, interpret, lower, mul, type NdArray, sum, type Tensor } from '../graph/index.ts'
import { Engine } from '../runtime/index.ts'
import { type BatchNormOptions, batchNorm } from './layers.ts'
import { Scope } from './scope.ts'

const nd = ({ shape, data }: HostTensor): NdArray => ({ shape, data: Float64Array.from(data, Number) })

/** Two channels of N = 2, H = 1, W = 2: [1, 3, 5, 7] and [0, 0, 4, −4]. */
const x = floats([2, 2, 1, 2], [1, 3, 0, 0, 5, 7, 4, -4])

const state = new Map([
  ['weight', floats([2], [2, 0.5])],
  ['bias', floats([2], [1, -1])],
  ['running_mean', floats([2], [10, -1])],
  ['running_var', floats([2], [4, 9])],
])

function built(
  options: BatchNormOptions & { readonly training: boolean; readonly keeps?: boolean },
  shape: Tensor['shape'] = [2, 2, 1, 2],
) {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: options.training })
  const input = graph.input('x', 'float32', shape)
  const output = batchNorm(options.keeps ? scope.withRunningStatistics() : scope, input, options)
  return { graph, input, output, updates: scope.declarations.updates }
}

function interpreted(outputs: readonly Tensor[], input = x): number[][] {
  const feeds = new Map([
    ...[...state].map(([name, value]) => [name, nd(value)] as const),
    ['x', nd(input)] as const,
  ])
  return interpret(outputs, feeds).map(({ data }) => [...data])
}

describe('batch normalisation', () => {
  it('in training divides by the standard deviation of the batch, of divisor m', () => {
    const [y] = interpreted([built({ training: true }).output])
    // Means 4 and 0, variances 5 and 8.
    const wanted = [1, 3, 0, 0, 5, 7, 4, -4].map((value, at) => {
      const second = Math.floor(at / 2) % 2 === 1
      return second ? (0.5 * value) / Math.sqrt(8 + 1e-5) - 1 : (2 * (value - 4)) / Math.sqrt(5 + 1e-5) + 1
    })
    for (const [i, value] of wanted.entries()) expect(y![i]).toBeCloseTo(value, 12)
  })

  it('moves its averages by a tenth, the variance with divisor m − 1', () => {
    const { updates } = built({ training: true })
    const [mean, variance] = interpreted([updates.get('running_mean')!, updates.get('running_var')!])
    expect(mean![0]).toBeCloseTo(0.9 * 10 + 0.1 * 4, 12)
    expect(mean![1]).toBeCloseTo(0.9 * -1 + 0.1 * 0, 12)
    expect(variance![0]).toBeCloseTo(0.9 * 4 + (0.1 * 5 * 4) / 3, 12)
    expect(variance![1]).toBeCloseTo(0.9 * 9 + (0.1 * 8 * 4) / 3, 12)
  })

  it('takes another momentum and epsilon', () => {
    const { output, updates } = built({ training: true, momentum: 0.5, epsilon: 1 })
    const [y, mean] = interpreted([output, updates.get('running_mean')!])
    expect(y![0]).toBeCloseTo((2 * -3) / Math.sqrt(6) + 1, 12)
    expect(mean![0]).toBeCloseTo(7, 12)
  })

  it('in evaluation uses its averages and leaves them', () => {
    const { output, updates } = built({ training: false })
    const [y] = interpreted([output])
    expect(y![0]).toBeCloseTo((2 * (1 - 10)) / Math.sqrt(4 + 1e-5) + 1, 12)
    expect(y![6]).toBeCloseTo((0.5 * (4 + 1)) / Math.sqrt(9 + 1e-5) - 1, 12)
    expect(updates.size).toBe(0)
  })

  it('with its averages kept, does in training what it does in evaluation, and still has gradients', () => {
    const { output, updates, graph, input } = built({ training: true, keeps: true })
    const evaluated = built({ training: false })
    expect(interpreted([output])).toEqual(interpreted([evaluated.output]))
    expect(updates.size).toBe(0)
    const targets = [input, graph.inputs.get('weight')!, graph.inputs.get('bias')!]
    const [dx, dScale, dShift] = interpreted(gradients(sum(output), targets))
    expect(dx![0]).toBeCloseTo(2 / Math.sqrt(4 + 1e-5), 12)
    expect(dScale![0]).toBeCloseTo((1 + 3 + 5 + 7 - 40) / Math.sqrt(4 + 1e-5), 10)
    expect(dShift).toEqual([4, 4])
  })

  it('has a gradient that is orthogonal to constants and to x̂, because the output ignores both', () => {
    const { output, graph, input } = built({ training: true })
    const r = graph.constant('float32', [2, 2, 1, 2], [1, -2, 0.5, 3, 0.25, 1, -1, 2])
    const [dx] = interpreted(gradients(sum(mul(output, r)), [input]))
    const channels = [
      [0, 1, 4, 5],
      [2, 3, 6, 7],
    ]
    for (const channel of channels) {
      const dot = (values: (at: number) => number): number =>
        channel.reduce((total, at) => total + dx![at]! * values(at), 0)
      expect(dot(() => 1)).toBeCloseTo(0, 12)
      // Exactly orthogonal only without epsilon.
      expect(dot(at => Number(x.data[at]))).toBeCloseTo(0, 4)
    }
  })

  describe('on the engine', () => {
    let engine: Engine
    beforeAll(async () => {
      engine = await Engine.start({ threads: 1 })
    })
    afterAll(async () => {
      await engine.stop()
    })

    it.each([
      ['known', 1],
      ['known only when it runs', 'N'],
    ] as const)(
      'with one value a channel, its batch %s, gives the shift and moves towards variance 0',
      async (_how, batch) => {
        const { output, updates, graph, input } = built({ training: true }, [batch, 2, 1, 1])
        const [dx, dScale] = gradients(sum(mul(output, output)), [input, graph.inputs.get('weight')!])
        const outputs = new Map([
          ['y', output],
          ['dx', dx!],
          ['dScale', dScale!],
          ...[...updates].map(([name, value]) => [`after ${name}`, value] as const),
        ])
        const program = await engine.load(lower(outputs))
        const results = await program.run(new Map([...state, ['x', floats([1, 2, 1, 1], [3, -5])]]))
        const values = (name: string): number[] => Array.from(results.get(name)!.data, Number)
        expect(values('y')).toEqual([1, -1])
        expect(values('dx').map(Math.abs)).toEqual([0, 0])
        expect(values('dScale').map(Math.abs)).toEqual([0, 0])
        expect(values('after running_mean')[0]).toBeCloseTo(0.9 * 10 + 0.1 * 3, 5)
        expect(values('after running_mean')[1]).toBeCloseTo(0.9 * -1 - 0.1 * 5, 5)
        expect(values('after running_var')[0]).toBeCloseTo(0.9 * 4, 5)
        expect(values('after running_var')[1]).toBeCloseTo(0.9 * 9, 5)
        await program.release()
      },
    )

    it('agrees with the interpreter on averages and outputs', async () => {
      const { output, updates } = built({ training: true })
      const outputs = new Map([
        ['y', output],
        ...[...updates].map(([name, value]) => [`after ${name}`, value] as const),
      ])
      const program = await engine.load(lower(outputs))
      const results = await program.run(new Map([...state, ['x', x]]))
      const wanted = interpreted([...outputs.values()])
      for (const [i, name] of [...outputs.keys()].entries())
        for (const [at, value] of wanted[i]!.entries())
          expect(Number(results.get(name)!.data[at])).toBeCloseTo(value, 5)
      await program.release()
    })
  })
})
