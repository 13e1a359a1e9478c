import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { floats, type HostTensor, scalar } from '../base/tensor.ts'
import { resolveConfig } from '../config/config.ts'
import {
  add,
  clamp,
  div,
  Graph,
  lower,
  mul,
  type Program,
  sqrt,
  sub,
  sum,
  sumOfSquares,
  type Tensor,
} from '../graph/index.ts'
import { averageStep, optimize } from '../optim/index.ts'
import { openLibrary } from './c-api/library.ts'
import { Engine } from './engine.ts'
import { withSeparateUpdates } from './separate-updates.ts'

/** More than a piece, and no multiple of one. */
const shape = [541, 600]
const size = shape[0]! * shape[1]!

/** Numbers without a pattern, from −1 to 1. */
const numbers = (seed: number): HostTensor =>
  floats(
    shape,
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + seed)),
  )

/** The bits of tensors. */
function bitsOf(tensors: ReadonlyMap<string, HostTensor>): string[] {
  return [...tensors].map(([name, { shape, data }]) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    return `${name} ${shape} ${createHash('sha256').update(bytes).digest('hex')}`
  })
}

/** A step, and what becomes of its outputs. */
interface Step {
  readonly program: Program
  readonly updates: ReadonlyMap<string, string>
}

function stepOf(next: ReadonlyMap<string, Tensor>, metrics: ReadonlyMap<string, Tensor>): Step {
  const updates = new Map([...next.keys()].map(name => [`next.${name}`, name]))
  const outputs = new Map([
    ...metrics,
    ...[...next].map(([name, tensor]) => [`next.${name}`, tensor] as const),
  ])
  return { program: lower(outputs), updates }
}

/** The gradient of x·θ² / 2, and its norm. */
function gradientOf(graph: Graph, parameter: Tensor): { gradient: Tensor; norm: Tensor } {
  const gradient = mul(parameter, graph.input('x', 'float32', []))
  return { gradient, norm: sqrt(sumOfSquares(gradient)) }
}

const configs = [
  { name: 'sgd' as const, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  { name: 'adam' as const, weightDecay: 1e-3 },
  { name: 'adamw' as const },
]

/** Two parameters that an optimizer trains, and a moving average of one; gradients are clipped. */
function training(config: (typeof configs)[number]): Step & { readonly own: readonly string[] } {
  const graph = new Graph()
  const rate = graph.input('rate', 'float32', [])
  const trained = ['a', 'b'].map(name => {
    const value = graph.input(name, 'float32', shape)
    return { name, value, ...gradientOf(graph, value) }
  })
  const norm = trained.map(one => one.norm).reduce(add)
  const factor = clamp(div(1000, norm), 0, 1)
  const { updates, own } = optimize(
    trained.map(({ name, value, gradient }) => ({
      parameters: [{ name, shape }],
      value,
      gradient: mul(gradient, factor),
    })),
    resolveConfig({ optimizer: config }, 'test').optimizer,
    rate,
  )
  const averages = averageStep(graph, [{ name: 'a', value: updates.get('a')! }])
  const next = new Map([...updates, ...averages])
  return {
    ...stepOf(next, new Map([['loss', norm]])),
    own: [...own.map(({ name }) => name), ...averages.keys()],
  }
}

describe('A step whose optimizer is computed apart from it', () => {
  it('has one program for all parameters with one formula, and gives what those read', () => {
    const { program, updates } = training(configs[1]!)
    const step = withSeparateUpdates(program.graph!, updates)
    // The average is updated together with a, so a has another formula than b.
    expect(step.programs).toHaveLength(2)
    expect(step.updates.map(one => [...one.updates.values()].sort())).toEqual([
      ['a', 'optimizer.average.a', 'optimizer.m.a', 'optimizer.v.a'],
      ['b', 'optimizer.m.b', 'optimizer.v.b'],
    ])
    const large = step.model.outputs.filter(({ shape }) => shape.length > 0).map(({ name }) => name)
    // The gradients, which the norm reads too. What clips them is in the programs.
    expect(large).toEqual(step.values.filter(({ shape }) => shape.length > 0).map(({ name }) => name))
    expect(large).toHaveLength(2)
    expect(step.model.nodes.length).toBeLessThan(program.graph!.nodes.length - 20)
  })

  it('keeps the whole where numbers are not treated alike, are too few, or have ops that may round otherwise', () => {
    const graph = new Graph()
    const [a, b, few] = [
      graph.input('a', 'float32', shape),
      graph.input('b', 'float32', shape),
      graph.input('few', 'float32', [10]),
    ]
    const next = new Map([
      ['a', sub(a, sum(a, [0]))],
      ['b', add(b, graph.input('row', 'float32', [600]))],
      ['few', mul(few, 2)],
    ])
    const { program, updates } = stepOf(next, new Map())
    expect(withSeparateUpdates(program.graph!, updates)).toMatchObject({
      values: [],
      programs: [],
      updates: [],
    })
  })

  it('keeps the whole where nothing else would be left', () => {
    const graph = new Graph()
    const { program, updates } = stepOf(
      new Map([['a', mul(graph.input('a', 'float32', shape), 2)]]),
      new Map(),
    )
    expect(withSeparateUpdates(program.graph!, updates)).toMatchObject({ model: program.graph!, updates: [] })
  })

  it('keeps the whole where a tensor is read after it would have been written over', () => {
    const graph = new Graph()
    const [a, b] = ['a', 'b'].map(name => graph.input(name, 'float32', shape)) as [Tensor, Tensor]
    const swapped = stepOf(
      new Map([
        ['a', mul(b, 2)],
        ['b', mul(a, 3)],
      ]),
      new Map(),
    )
    expect(withSeparateUpdates(swapped.program.graph!, swapped.updates).updates).toEqual([])
    // b reads a before a is written: through what a itself is made of.
    const half = mul(a, 0.5)
    const chained = stepOf(
      new Map([
        ['a', sub(half, b)],
        ['b', add(half, b)],
      ]),
      new Map(),
    )
    expect(withSeparateUpdates(chained.program.graph!, chained.updates).updates).toEqual([])
    const ordered = stepOf(
      new Map([
        ['a', sub(half, 1)],
        ['b', add(sub(half, 1), b)],
      ]),
      new Map([['sum', sum(a)]]),
    )
    expect(withSeparateUpdates(ordered.program.graph!, ordered.updates).updates).toHaveLength(1)
  })
})

describe.runIf(!('reason' in openLibrary()))('The engine, with the optimizer apart from the step', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ api: 'c' })
  })
  afterAll(() => engine.stop())

  const feeds = (x: number): Map<string, HostTensor> =>
    new Map([
      ['x', scalar(x)],
      ['rate', scalar(0.01)],
      ['averageDecay', scalar(0.9)],
    ])

  it.each(configs)('gives the bits of the whole step: $name', async config => {
    const { program, updates, own } = training(config)
    const state = (): Map<string, HostTensor> =>
      new Map([
        ['a', numbers(1)],
        ['b', numbers(2)],
        ...own.map(
          name =>
            [
              name,
              program.inputs.find(input => input.name === name)!.shape.length === 0
                ? scalar(0)
                : floats(shape, new Float32Array(size)),
            ] as const,
        ),
      ])
    const given = (x: number) =>
      new Map([...feeds(x)].filter(([name]) => program.inputs.some(input => input.name === name)))
    const results: unknown[][] = []
    for (const separate of [true, false]) {
      const step = await engine.load(program, separate ? { updates } : {})
      await engine.setState(state())
      const outcome: unknown[] = []
      // The third one is not finite, and leaves the state as it was.
      for (const x of [1, 0.5, Number.NaN, 2]) {
        const { outputs, committed } = await step.step(given(x), { updates, guards: ['loss'] })
        outcome.push(committed, bitsOf(outputs))
      }
      outcome.push(bitsOf(await engine.readState()))
      await step.release()
      results.push(outcome)
    }
    expect([0, 2, 4, 6].map(i => results[0]![i])).toEqual([true, true, false, true])
    expect(results[0]).toEqual(results[1])
  })

  it('leaves the memory of another engine as it is', async () => {
    const { program, updates } = scaling()
    const other = await Engine.start({ api: 'c' })
    try {
      await engine.setState(new Map([['a', numbers(1)]]))
      await other.adopt(await engine.share(['a']))
      const step = await other.load(program, { updates })
      await step.step(new Map([['x', scalar(3)]]), { updates, guards: [] })
      expect(bitsOf(await engine.readState())).toEqual(bitsOf(new Map([['a', numbers(1)]])))
      expect((await other.readState()).get('a')!.data[5]).toBe(
        Math.fround((3 * Number(numbers(1).data[5])) as number),
      )
    } finally {
      await other.stop()
    }
  })

  it('refuses a step without updates that its program was loaded for', async () => {
    const { program, updates } = scaling()
    const step = await engine.load(program, { updates })
    await engine.setState(new Map([['a', numbers(1)]]))
    await expect(step.step(new Map([['x', scalar(3)]]), { updates: new Map(), guards: [] })).rejects.toThrow(
      'the program was loaded for steps that update more tensors of the state',
    )
    expect(bitsOf(await engine.readState())).toEqual(bitsOf(new Map([['a', numbers(1)]])))
    await step.release()
  })
})

/** a ← x·a, and the sum of a before. */
function scaling(): Step {
  const graph = new Graph()
  const a = graph.input('a', 'float32', shape)
  return stepOf(new Map([['a', mul(a, graph.input('x', 'float32', []))]]), new Map([['sum', sum(a)]]))
}
