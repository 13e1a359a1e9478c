import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { floats, type HostTensor, sizeOf } from '../base/tensor.ts'
import { add, Graph, gradients, lower, mul, relu, sizeOfAxes, sum, type Tensor } from '../graph/index.ts'
import { basicBlock, conv, type Declarations, type Layer, Scope } from '../nn/index.ts'
import { Engine, type LoadedProgram } from '../runtime/index.ts'
import { type Constraint, importance, relative } from './constraints/index.ts'
import { type Gate, gapFc } from './gates/index.ts'
import { mixtureOfExperts } from './layer.ts'
import type { DispatchName } from './routing-context.ts'

/** Sparse dispatch and its slow twin, on the engine: every output, gradient and statistic. */
const experts = 4

/** BasicBlock(3 → 4, stride 2) and BasicBlock(4 → 5): a narrow expert as in METHOD.md §1.4. */
const narrow: Layer = (scope, x) => {
  const inside = scope.in('0', inner => basicBlock(inner, x, { width: 4, outputs: 4, stride: 2 }))
  return scope.in('1', inner => basicBlock(inner, inside, { width: 5, outputs: 5, stride: 1 }))
}

const plain: Layer = (scope, x) =>
  relu(scope.in('conv', inner => conv(inner, x, { outputs: 5, kernel: 3, bias: true })))

const kinds = { 'with BatchNorm': narrow, 'without BatchNorm': plain }

/** A gate that the test steers: what it says about x, plus logits that are fed. */
const steered: Gate = (scope, x, count) =>
  add(mul(gapFc(scope, x, count), 0.1), scope.graph.input('z', 'float32', [x.dim(0), count]))

/** Exclusion and a loss at once; r is fed. */
const both: Constraint = { ...relative({ threshold: 0.5 }), loss: importance({ weight: 0.5 }).loss! }

interface Built {
  readonly outputs: ReadonlyMap<string, Tensor>
  readonly declarations: Declarations
  readonly output: Tensor
}

function build(expert: Layer, k: number, batch: number, dispatch: DispatchName, training: boolean): Built {
  const graph = new Graph()
  const scope = Scope.root(graph, { training })
  const x = graph.input('x', 'float32', [batch, 3, 6, 6])
  const { output, losses, stats } = mixtureOfExperts(scope, x, {
    experts: new Array<Layer>(experts).fill(expert),
    gate: steered,
    k,
    constraint: both,
    weighting: k === 1 ? 'softmax-before-top-k' : 'softmax-after-top-k',
    dispatch,
    // Always enough.
    capacityFactor: experts / k,
  })
  const { declarations } = scope
  const outputs = new Map([
    ['y', output],
    ['weights', stats[0]!.routing.weights],
  ])
  if (training) {
    const r = graph.input('objective', 'float32', output.shape)
    const loss = add(sum(mul(output, r)), losses[0]!)
    const names = ['x', 'z', ...declarations.parameters.keys()]
    const targets = names.map(name => graph.inputs.get(name)!)
    for (const [i, gradient] of gradients(loss, targets).entries()) outputs.set(`grad ${names[i]}`, gradient)
    outputs.set('aux', losses[0]!)
    for (const [name, value] of declarations.updates) outputs.set(`after ${name}`, value)
  }
  return { outputs, declarations, output }
}

const never = -40

/** Logits that force a split of the batch, and counters that exclude. */
const splits: Record<
  string,
  { readonly z: (n: number, i: number) => number; readonly r?: readonly number[] }
> = {
  'images all over': { z: (n, i) => Math.sin(3 * n + 5 * i) },
  'an expert without an image': { z: (n, i) => (i === 2 ? never : Math.sin(3 * n + 5 * i)) },
  'all images on the same experts': { z: (_n, i) => -1.5 * i },
  'all weight on one expert': { z: (_n, i) => (i === 1 ? 200 : 0) },
  ties: { z: () => 0 },
  'two experts excluded': { z: (n, i) => Math.sin(3 * n + 5 * i), r: [0.6, -0.7, 0.6, -0.5] },
  'three excluded, so fewer than K act': { z: (n, i) => Math.sin(3 * n + 5 * i), r: [0.6, 0.6, -1.8, 0.6] },
}

function expectSame(got: HostTensor, wanted: HostTensor, what: string): void {
  expect(got.shape, what).toEqual(wanted.shape)
  const values = Array.from(wanted.data, Number)
  const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 1e-6)
  let worst = 0
  for (const [i, value] of values.entries()) {
    const difference = Math.abs(Number(got.data[i]) - value) / largest
    worst = Number.isFinite(difference) ? Math.max(worst, difference) : Number.POSITIVE_INFINITY
  }
  expect(worst, `${what}: largest difference relative to ${largest}`).toBeLessThanOrEqual(1e-5)
}

const random = (shape: readonly number[], purpose: string): HostTensor => {
  const source = draws(9, purpose)
  return floats(
    shape,
    Array.from({ length: sizeOf(shape) }, () => source.normal()),
  )
}

describe('sparse dispatch equals dense dispatch, and dispatch to a capacity', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await Engine.start({ threads: 1 })
  })
  afterAll(async () => {
    await engine.stop()
  })

  const cases = (
    [
      ['with BatchNorm', 1, 7],
      ['with BatchNorm', 2, 7],
      ['with BatchNorm', 3, 7],
      ['with BatchNorm', 4, 7],
      ['with BatchNorm', 1, 1],
      ['with BatchNorm', 3, 1],
      ['without BatchNorm', 1, 7],
      ['without BatchNorm', 2, 7],
      ['without BatchNorm', 4, 1],
    ] as const
  ).map(([kind, k, batch]) => [kind, k, batch, kinds[kind]] as const)

  it.each(cases)('experts %s, K = %i, batch of %i, for every split', async (_kind, k, batch, expert) => {
    const { declarations, output } = build(expert, k, batch, 'sparse', true)
    const state = declarations.initialState(7)
    for (const [name, { shape }] of declarations.statistics) {
      if (name.endsWith('running_mean')) state.set(name, random(shape, name))
      if (name.endsWith('running_var'))
        state.set(
          name,
          floats(
            shape,
            Array.from(random(shape, name).data, Number).map(v => 1 + v ** 2),
          ),
        )
    }
    const load = async (dispatch: DispatchName, training: boolean): Promise<LoadedProgram> =>
      await engine.load(lower(build(expert, k, batch, dispatch, training).outputs))
    const [sparse, dense] = [await load('sparse', true), await load('dense', true)]
    const filled = await load('capacity', true)
    const [sparseEvaluated, denseEvaluated] = [await load('sparse', false), await load('dense', false)]
    for (const [split, { z, r = [0, 0, 0, 0] }] of Object.entries(splits)) {
      await engine.setState(new Map([...state, ['constraint.r', floats([experts], r)]]))
      const logits = Array.from({ length: batch * experts }, (_, at) =>
        z(Math.floor(at / experts), at % experts),
      )
      const inputs = new Map([
        ['x', random([batch, 3, 6, 6], 'x')],
        ['z', floats([batch, experts], logits)],
      ])
      const feeds = new Map([...inputs, ['objective', random(output.shape.map(Number), 'objective')]])
      const [fast, slow] = [await sparse.run(feeds), await dense.run(feeds)]
      expect([...fast.keys()]).toEqual([...slow.keys()])
      const full = await filled.run(feeds)
      expect([...full.keys()]).toEqual([...slow.keys()])
      for (const [name, wanted] of slow) {
        expectSame(fast.get(name)!, wanted, `${split}: ${name}`)
        expectSame(full.get(name)!, fast.get(name)!, `${split}, to a capacity: ${name}`)
      }
      const [fastNow, slowNow] = [await sparseEvaluated.run(inputs), await denseEvaluated.run(inputs)]
      for (const name of ['y', 'weights'])
        expectSame(fastNow.get(name)!, slowNow.get(name)!, `${split}: evaluated ${name}`)

      const weights = [...fast.get('weights')!.data].map(Number)
      for (let i = 0; i < experts; i++) {
        const images = weights.filter((weight, at) => at % experts === i && weight > 0).length
        if (r[i]! > 0.5) expect(images).toBe(0)
        if (images > 0) continue
        for (const [name, tensor] of fast) {
          const where = `${split}: ${name} of an expert without images`
          if (name.startsWith(`grad experts.${i}.`))
            expect(
              [...tensor.data].every(value => Number(value) === 0),
              where,
            ).toBe(true)
          if (name.startsWith(`after experts.${i}.`))
            expect(tensor.data, where).toEqual(state.get(name.slice('after '.length))!.data)
        }
      }
    }
    for (const program of [sparse, dense, filled, sparseEvaluated, denseEvaluated]) await program.release()
  })

  it.each(['sparse', 'dense'] as const)(
    'gives an expert its own images alone if it is sparse: %s',
    async dispatch => {
      const graph = new Graph()
      const scope = Scope.root(graph, { training: true })
      const batch = 7
      const given: Tensor[] = []
      const watched: Layer = (inner, x) => {
        given.push(sizeOfAxes(x, [0]))
        return plain(inner, x)
      }
      const { stats } = mixtureOfExperts(scope, graph.input('x', 'float32', [batch, 3, 6, 6]), {
        experts: new Array<Layer>(experts).fill(watched),
        gate: steered,
        k: 2,
        constraint: both,
        weighting: 'softmax-after-top-k',
        dispatch,
      })
      const program = await engine.load(
        lower(
          new Map([
            ['chosen', sum(stats[0]!.routing.selected, [0])],
            ...given.map((size, i) => [`given ${i}`, size] as const),
          ]),
        ),
      )
      for (const [split, { z, r = [0, 0, 0, 0] }] of Object.entries(splits)) {
        await engine.setState(
          new Map([...scope.declarations.initialState(7), ['constraint.r', floats([experts], r)]]),
        )
        const logits = Array.from({ length: batch * experts }, (_, at) =>
          z(Math.floor(at / experts), at % experts),
        )
        const outputs = await program.run(
          new Map([
            ['x', random([batch, 3, 6, 6], 'x')],
            ['z', floats([batch, experts], logits)],
          ]),
        )
        const chosen = Array.from(outputs.get('chosen')!.data, Number)
        const sizes = chosen.map((_, i) => Number(outputs.get(`given ${i}`)!.data[0]))
        expect(sizes, split).toEqual(dispatch === 'sparse' ? chosen : chosen.map(() => batch))
      }
      await program.release()
    },
  )

  it('holds for experts deep enough that images of others would overflow', async () => {
    const deep: Layer = (scope, x) => {
      let y = x
      for (let i = 0; i < 9; i++)
        y = scope.in(String(i), inner => basicBlock(inner, y, { width: 3, outputs: 3, stride: 1 }))
      return y
    }
    const results = []
    for (const dispatch of ['sparse', 'dense', 'capacity'] as const) {
      const graph = new Graph()
      const scope = Scope.root(graph, { training: true })
      const x = graph.input('x', 'float32', [3, 3, 1, 1])
      const { output } = mixtureOfExperts(scope, x, {
        experts: [deep, deep, deep],
        gate: steered,
        k: 1,
        constraint: relative(),
        weighting: 'softmax-before-top-k',
        dispatch,
        capacityFactor: 3,
      })
      const name = 'experts.0.0.conv1.weight'
      const [dx, dw] = gradients(sum(output), [x, graph.inputs.get(name)!])
      const program = await engine.load(
        lower(
          new Map([
            ['y', output],
            ['grad x', dx!],
            [`grad ${name}`, dw!],
          ]),
        ),
      )
      await engine.setState(scope.declarations.initialState(1))
      // One image for expert 0, two for expert 1, none for expert 2.
      const z = [
        [9, 0, 0],
        [0, 9, 0],
        [0, 9, 0],
      ]
      results.push(
        await program.run(
          new Map([
            ['x', random([3, 3, 1, 1], 'x')],
            ['z', floats([3, 3], z.flat())],
          ]),
        ),
      )
      await program.release()
    }
    const [sparse, dense, filled] = results
    for (const tensor of [...dense!.values(), ...filled!.values()])
      expect([...tensor.data].every(value => Number.isFinite(Number(value)))).toBe(true)
    expectSame(sparse!.get('y')!, dense!.get('y')!, 'y')
    expectSame(sparse!.get('y')!, filled!.get('y')!, 'y')
  })
})
