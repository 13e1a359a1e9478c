import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../config/config.ts'
import {
  Graph,
  globalAveragePool,
  gradients,
  interpret,
  type NdArray,
  type Tensor,
} from '../../graph/index.ts'
import { linear, type Scope } from '../../nn/index.ts'
import { classificationObjective } from '../../tasks/classification/classification-objective.ts'
import { writeStep } from '../../train/index.ts'
import { gapFc } from '../gates/index.ts'
import { mixtureOfExperts } from '../layer.ts'
import { describeRouting, route } from '../routing.ts'
import { mutualInformation } from './index.ts'

const rowsOf = (rows: readonly (readonly number[])[]): NdArray => ({
  shape: [rows.length, rows[0]!.length],
  data: Float64Array.from(rows.flat()),
})

/** Loss and gradient of a batch's logits, in float64. */
function evaluated(rows: readonly (readonly number[])[], classes: readonly number[], count: number) {
  const graph = new Graph()
  const logits = graph.input('logits', 'float32', [rows.length, rows[0]!.length])
  const indices = graph.constant('int64', [classes.length], [...classes])
  const weights = route(logits, { k: 1, weighting: 'softmax-before-top-k' })
  const routing = describeRouting(weights, logits, logits, undefined, 1)
  const loss = mutualInformation({ weight: 1 }).loss!(routing, { labels: { indices, classes: count } })
  const [value, gradient] = interpret(
    [loss, ...gradients(loss, [logits])],
    new Map([['logits', rowsOf(rows)]]),
  )
  return { loss: value!.data[0]!, gradient: [...gradient!.data] }
}

/** Logits whose softmax is these probabilities. */
const logitsOf = (rows: readonly (readonly number[])[]) => rows.map(row => row.map(p => Math.log(p)))

describe('the mutual-information loss', () => {
  it('has the value that is worked by hand', () => {
    // p(c, e) = [[3/8, 1/8], [1/8, 3/8]]: I = 2 · (3/8 · ln 3/2 + 1/8 · ln 1/2).
    const p = [[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [0.25, 0.75]] // biome-ignore format: a table
    expect(evaluated(logitsOf(p), [0, 0, 1, 1], 2).loss).toBeCloseTo(-0.130812, 6)
    // p(c) = (3/4, 1/4), p(e) = (1/2, 1/2), p(c, e) = [[7/16, 5/16], [1/16, 3/16]].
    const uneven = [[0.75, 0.25], [0.5, 0.5], [0.5, 0.5], [0.25, 0.75]] // biome-ignore format: a table
    const worked =
      (7 / 16) * Math.log(7 / 6) +
      (5 / 16) * Math.log(5 / 6) +
      (1 / 16) * Math.log(1 / 2) +
      (3 / 16) * Math.log(3 / 2)
    expect(evaluated(logitsOf(uneven), [0, 0, 0, 1], 2).loss).toBeCloseTo(-worked, 8)
  })

  it('is 0 where experts know nothing of classes, and −ln E where each class has its own', () => {
    expect(evaluated([[1, 0], [1, 0]], [0, 1], 2).loss).toBeCloseTo(0, 8) // biome-ignore format: a table
    const own = [[50, 0, 0], [0, 50, 0], [0, 0, 50]] // biome-ignore format: a table
    expect(evaluated(own, [0, 1, 2], 3).loss).toBeCloseTo(-Math.log(3), 6)
    // All images go to one expert: it says nothing of their class.
    expect(evaluated([[50, 0], [50, 0]], [0, 1], 2).loss).toBeCloseTo(0, 6) // biome-ignore format: a table
  })

  it('leaves out classes that a batch lacks', () => {
    const rows = [[0.3, -0.2], [1, 0.5], [-0.4, 0.1]] // biome-ignore format: a table
    expect(evaluated(rows, [0, 4, 4], 9).loss).toBeCloseTo(evaluated(rows, [0, 1, 1], 2).loss, 7)
  })

  it('has the gradient that finite differences have', () => {
    const rows = [[0.3, -0.2, 0.8], [1, 0.5, -0.7], [-0.4, 0.1, 0.2], [0.9, -1, 0]] // biome-ignore format: a table
    const classes = [0, 1, 1, 2]
    const { gradient } = evaluated(rows, classes, 3)
    const step = 1e-5
    for (const [n, row] of rows.entries())
      for (const e of row.keys()) {
        const moved = (by: number) =>
          evaluated(
            rows.map((other, m) => other.map((z, i) => (m === n && i === e ? z + by : z))),
            classes,
            3,
          ).loss
        expect(gradient[n * 3 + e]).toBeCloseTo((moved(step) - moved(-step)) / (2 * step), 8)
      }
  })
})

describe('the classes of images', () => {
  const network = (scope: Scope, images: Tensor) => {
    const { output, losses, stats } = scope.in('layer', inner =>
      mixtureOfExperts(inner, images, {
        experts: [(_, x) => x, (_, x) => x],
        gate: gapFc,
        k: 1,
        weighting: 'softmax-before-top-k',
        constraint: mutualInformation(),
      }),
    )
    return { logits: linear(scope, globalAveragePool(output), 3), losses, stats }
  }
  const rest = {
    form: { images: 4, height: 5, width: 5 },
    optimizer: resolveConfig({}, 'test').optimizer,
    clipNorm: null,
  }

  it('come from the objective of a classifier', () => {
    const objective = classificationObjective({ classifier: network, classes: 3, labelSmoothing: 0 })
    const { program } = writeStep({ ...rest, objective })
    expect(program.outputs.map(({ name }) => name)).toContain('auxLoss')
  })

  it('are asked for where an objective has none', () => {
    const objective = (scope: Scope, images: Tensor) => {
      const { logits, ...others } = network(scope, images)
      return { taskLoss: logits.graph.scalar(0), measures: new Map(), ...others }
    }
    expect(() => writeStep({ ...rest, objective })).toThrow('needs the class of each image')
  })

  it('are not there for a detector or several labels, which the configuration says', () => {
    const mixture = { constraint: { name: 'mutual-information' } }
    const detector = { data: { name: 'scenes' }, model: { stem: 'strided', detector: { mixture } } }
    expect(() => resolveConfig(detector, 'test')).toThrow('mutual-information needs the class of each image')
    const several = { data: { name: 'multi-label' }, model: { moe: [{ position: 4, ...mixture }] } }
    expect(() => resolveConfig(several, 'test')).toThrow('images of multi-label have any number of them')
    const moe = [{ position: 4, constraint: { name: 'mutual-information' } }]
    expect(resolveConfig({ model: { moe } }, 'test').model.moe[0]!.constraint).toEqual({
      name: 'mutual-information',
      weight: 0.5,
      lift: null,
    })
  })
})
