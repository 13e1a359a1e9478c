import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { goldenLogits, matrix, randomLogits, rowsOf } from '../../test/routing-steps.ts'
import { draws } from '../base/random.ts'
import { floats } from '../base/tensor.ts'
import { Graph, gradients, interpret, lower, mul, softmax, sum, type Tensor } from '../graph/index.ts'
import { Engine } from '../runtime/index.ts'
import { type RoutingOptions, route } from './routing.ts'

type Rows = readonly (readonly number[])[]

/** Weights and the gradient of Σ w·r with respect to the logits, in float64. */
function routed(
  logits: Rows,
  options: Pick<RoutingOptions, 'k' | 'weighting'> & { readonly excluded?: readonly number[] },
  r: Rows = logits.map((row, n) => row.map((_, i) => Math.sin(1 + 3 * n + 7 * i))),
): { readonly weights: number[][]; readonly gradient: number[][] } {
  const graph = new Graph()
  const shape = [logits.length, logits[0]!.length]
  const z = graph.input('z', 'float32', shape)
  const excluded =
    options.excluded === undefined ? undefined : graph.constant('bool', [shape[1]!], options.excluded)
  const weights = route(z, { ...options, excluded })
  const objective = sum(mul(weights, graph.constant('float32', shape, r.flat())))
  const [w, g] = interpret([weights, gradients(objective, [z])[0]!], new Map([['z', matrix(logits)]]))
  return { weights: rowsOf(w!), gradient: rowsOf(g!) }
}

function expectRows(got: Rows, wanted: Rows, digits = 12): void {
  for (const [n, row] of wanted.entries())
    for (const [i, value] of row.entries()) expect(got[n]![i]).toBeCloseTo(value, digits)
}

function softmaxOf(row: readonly number[]): number[] {
  const powers = row.map(z => Math.exp(z - Math.max(...row)))
  const total = powers.reduce((a, b) => a + b)
  return powers.map(power => power / total)
}

describe('softmax after top-k', () => {
  it('gives logits that were not chosen no gradient at all, and the chosen the softmax Jacobian', () => {
    const r = [
      [0.3, -1, 9, 2],
      [1, 0.2, -4, 7],
      [5, 5, 0.5, -0.5],
    ]
    const { weights, gradient } = routed(goldenLogits, { k: 2, weighting: 'softmax-after-top-k' }, r)
    const wanted = weights.map((row, n) => {
      const average = row.reduce((sum, w, i) => sum + w * r[n]![i]!, 0)
      return row.map((w, i) => w * (r[n]![i]! - average))
    })
    expectRows(gradient, wanted)
    for (const [n, row] of weights.entries())
      for (const [i, w] of row.entries()) if (w === 0) expect(Math.abs(gradient[n]![i]!)).toBe(0)
  })

  it('with K = E is the full softmax, in value and gradient', () => {
    const { weights, gradient } = routed(goldenLogits, { k: 4, weighting: 'softmax-after-top-k' })
    expectRows(weights, goldenLogits.map(softmaxOf))
    const graph = new Graph()
    const z = graph.input('z', 'float32', [3, 4])
    const r = goldenLogits.flatMap((row, n) => row.map((_, i) => Math.sin(1 + 3 * n + 7 * i)))
    const objective = sum(mul(softmax(z), graph.constant('float32', [3, 4], r)))
    const [plain] = interpret(gradients(objective, [z]), new Map([['z', matrix(goldenLogits)]]))
    expectRows(gradient, rowsOf(plain!))
  })

  it('at a tie chooses the expert with the smaller number', () => {
    const { weights } = routed(
      [
        [1, 1, 1, 1],
        [0, 2, 1, 1],
      ],
      { k: 2, weighting: 'softmax-after-top-k' },
    )
    expectRows(weights, [[0.5, 0.5, 0, 0]])
    expect(weights[1]!.map(w => w > 0)).toEqual([false, true, true, false])
  })

  it('gives excluded experts weight 0 and gradient 0, and their share to the others', () => {
    const { weights, gradient } = routed(goldenLogits, {
      k: 2,
      weighting: 'softmax-after-top-k',
      excluded: [0, 1, 0, 0],
    })
    expectRows(
      weights,
      [
        [0.71095, 0, 0, 0.28905],
        [0.231475, 0, 0.768525, 0],
        [0, 0, 0.450166, 0.549834],
      ],
      6,
    )
    for (const row of gradient) expect(Math.abs(row[1]!)).toBe(0)
  })

  it('keeps excluded experts out even where all the others have very low logits', () => {
    const { weights } = routed([[5, -1e6, -2e6, -1e20]], {
      k: 3,
      weighting: 'softmax-after-top-k',
      excluded: [1, 0, 0, 0],
    })
    expectRows(weights, [[0, 1, 0, 0]])
  })

  it('survives logits of any size', () => {
    const { weights, gradient } = routed([[1e20, -1e20, 3, 1e20]], { k: 3, weighting: 'softmax-after-top-k' })
    expectRows(weights, [[0.5, 0, 0, 0.5]])
    expect(gradient.flat().every(Number.isFinite)).toBe(true)
  })
})

describe('softmax before top-k', () => {
  it('equals softmax after top-k for K ≥ 2, in value and gradient: dividing by the sum kept is a softmax over them', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 2, max: 5 }), (seed, k) => {
        const rows = randomLogits(draws(seed, 'logits'), 4, [0, 0, 0, 0, 0])
        const [before, after] = (['softmax-before-top-k', 'softmax-after-top-k'] as const).map(weighting =>
          routed(rows, { k, weighting }),
        )
        expectRows(before!.weights, after!.weights)
        expectRows(before!.gradient, after!.gradient)
      }),
      { numRuns: 20 },
    )
  })

  it('for K = 1 weighs 1 exactly, but passes the gradient of the probability', () => {
    const r = [
      [2, 0, 0, 0],
      [0, -3, 0, 0],
      [0, 0, 0, 0.5],
    ]
    const { weights, gradient } = routed(goldenLogits, { k: 1, weighting: 'softmax-before-top-k' }, r)
    expect(weights).toEqual([
      [1, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 0, 0, 1],
    ])
    const chosen = [0, 1, 3]
    const wanted = goldenLogits.map((row, n) => {
      const p = softmaxOf(row)
      const c = chosen[n]!
      return p.map((q, j) => r[n]![c]! * p[c]! * (Number(j === c) - q))
    })
    expectRows(gradient, wanted)
  })

  it('for K = 1 with excluded experts weighs the best of the others 1', () => {
    const { weights, gradient } = routed(goldenLogits, {
      k: 1,
      weighting: 'softmax-before-top-k',
      excluded: [1, 1, 0, 1],
    })
    expect(weights).toEqual([
      [0, 0, 1, 0],
      [0, 0, 1, 0],
      [0, 0, 1, 0],
    ])
    for (const row of gradient) expect(row.map(Math.abs)).toEqual([0, 0, 0, 0])
  })
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
    [4, 2],
    [4, 3],
    [10, 2],
    [16, 9],
    [64, 4],
    [300, 40],
  ])('chooses as the interpreter does among %i experts for K = %i, many of them tied', async (experts, k) => {
    const source = draws(4, 'ties', experts)
    const rows = Array.from({ length: 6 }, () =>
      Array.from({ length: experts }, () => source.below(Math.max(2, Math.ceil(experts / 4))) / 4),
    )
    const excluded = rows[0]!.map((_, i) => Number(i % 5 === 3))
    const graph = new Graph()
    const z = graph.input('z', 'float32', [6, experts])
    const mask = graph.constant('bool', [experts], excluded)
    const outputs = new Map<string, Tensor>(
      (['softmax-after-top-k', 'softmax-before-top-k'] as const).map(weighting => [
        weighting,
        route(z, { k, weighting, excluded: mask }),
      ]),
    )
    const program = await engine.load(lower(outputs))
    const got = await program.run(new Map([['z', floats([6, experts], rows.flat())]]))
    const wanted = interpret([...outputs.values()], new Map([['z', matrix(rows)]]))
    for (const [o, name] of [...outputs.keys()].entries())
      for (const [i, value] of wanted[o]!.data.entries()) {
        const weight = Number(got.get(name)!.data[i])
        expect(weight === 0).toBe(value === 0)
        expect(weight).toBeCloseTo(value, 6)
      }
    await program.release()
  })

  it('gives excluded experts weight exactly 0 and rows that sum to 1, one expert left or many', async () => {
    const graph = new Graph()
    const z = graph.input('z', 'float32', [3, 4])
    const barred = graph.input('barred', 'bool', [4])
    const weights = route(z, { k: 2, weighting: 'softmax-after-top-k', excluded: barred })
    const program = await engine.load(lower(new Map([['weights', weights]])))
    for (let mask = 0; mask < 15; mask++) {
      const bits = [0, 1, 2, 3].map(i => (mask >> i) & 1)
      const fed = new Map([
        ['z', floats([3, 4], goldenLogits.flat())],
        ['barred', { dtype: 'bool', shape: [4], data: Uint8Array.from(bits) }],
      ] as const)
      const values = [...(await program.run(fed)).get('weights')!.data].map(Number)
      for (let n = 0; n < 3; n++) {
        const row = values.slice(4 * n, 4 * n + 4)
        for (const [i, bit] of bits.entries()) if (bit === 1) expect(row[i]).toBe(0)
        expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 6)
        expect(row.filter(w => w > 0).length).toBe(Math.min(2, 4 - bits.reduce((a, b) => a + b)))
      }
    }
    await program.release()
  })
})
