import type { Draws } from '../src/base/random.ts'
import { Graph, gradients, interpret, type NdArray, type Tensor } from '../src/graph/index.ts'
import { type Constraint, type RoutingOptions, route } from '../src/moe/index.ts'
import { describeRouting } from '../src/moe/routing.ts'

/** Rows of numbers as the interpreter wants them. */
export function matrix(rows: readonly (readonly number[])[]): NdArray {
  return { shape: [rows.length, rows[0]?.length ?? 0], data: Float64Array.from(rows.flat()) }
}

export function vector(values: readonly number[]): NdArray {
  return { shape: [values.length], data: Float64Array.from(values) }
}

/** A matrix of the interpreter as rows of numbers. */
export function rowsOf({ shape, data }: NdArray): number[][] {
  const width = shape[1]!
  return Array.from({ length: shape[0]! }, (_, row) => [...data.slice(row * width, (row + 1) * width)])
}

export type CounterValues = ReadonlyMap<string, NdArray>

export interface RoutedStep {
  readonly weights: readonly (readonly number[])[]
  /** I_i = Σ_n w_ni. */
  readonly importance: readonly number[]
  /** 1 where the constraint excluded the expert. */
  readonly excluded: readonly number[]
  /** The constraint's loss, already times its weight; 0 without one. */
  readonly loss: number
  /** Its gradient with respect to the logits. */
  readonly gradient: readonly (readonly number[])[]
  readonly counters: CounterValues
}

/** Routing under a constraint, in float64, one step at a time. */
export interface RoutingSteps {
  readonly first: CounterValues
  step(logits: readonly (readonly number[])[], counters: CounterValues): RoutedStep
  /** Several steps from the first counters on. */
  run(batches: readonly (readonly (readonly number[])[])[]): RoutedStep[]
}

/** Writes the routing of `images` images to K of E experts as one graph and runs it in the interpreter. */
export function routingSteps(
  constraint: Constraint,
  {
    images,
    experts,
    k,
    weighting = 'softmax-after-top-k',
  }: {
    readonly images: number
    readonly experts: number
    readonly k: number
    readonly weighting?: RoutingOptions['weighting']
  },
): RoutingSteps {
  const graph = new Graph()
  const logits = graph.input('logits', 'float32', [images, experts])
  const initial = Object.entries(constraint.init?.(experts) ?? {})
  const counters = Object.fromEntries(
    initial.map(([name, { shape }]) => [name, graph.input(name, 'float32', shape)]),
  )
  const barred = constraint.excluded?.(counters)
  const weights = route(logits, { k, weighting, excluded: barred, bias: constraint.bias?.(counters) })
  const routing = describeRouting(weights, logits, logits, undefined, k)
  const loss = constraint.loss?.(routing, { labels: undefined }) ?? graph.scalar(0)
  const next = Object.entries(constraint.update?.(counters, routing) ?? {})
  const outputs: readonly Tensor[] = [
    weights,
    routing.importance,
    barred ?? graph.constant('bool', [experts], new Array<number>(experts).fill(0)),
    loss,
    gradients(loss, [logits])[0]!,
    ...next.map(([, value]) => value),
  ]
  const first: CounterValues = new Map(
    initial.map(([name, { shape, data }]) => [name, { shape, data: Float64Array.from(data, Number) }]),
  )
  const step: RoutingSteps['step'] = (rows, before) => {
    const [w, importance, excluded, value, gradient, ...after] = interpret(
      outputs,
      new Map([['logits', matrix(rows)], ...before]),
    )
    return {
      weights: rowsOf(w!),
      importance: [...importance!.data],
      excluded: [...excluded!.data],
      loss: value!.data[0]!,
      gradient: rowsOf(gradient!),
      counters: new Map(next.map(([name], i) => [name, after[i]!])),
    }
  }
  return {
    first,
    step,
    run: batches => {
      const results: RoutedStep[] = []
      let counters = first
      for (const batch of batches) {
        const result = step(batch, counters)
        results.push(result)
        counters = result.counters
      }
      return results
    },
  }
}

/** Logits of METHOD.md §8.3: three images, four experts. */
export const goldenLogits = [
  [1, 0.5, -0.2, 0.1],
  [0.3, 2, 1.5, -1],
  [0, -0.5, 0.7, 0.9],
] as const

/** A soft loss as a function of importance alone: its value and its gradient with respect to I, [E]. */
export function lossAtImportance(
  constraint: Constraint,
  usage: readonly number[],
): { readonly loss: number; readonly gradient: readonly number[] } {
  const graph = new Graph()
  const images = usage.reduce((a, b) => a + b)
  const logits = graph.input('logits', 'float32', [Math.max(1, Math.round(images)), usage.length])
  const importance = graph.input('importance', 'float32', [usage.length])
  const loss = constraint.loss!(
    { ...describeRouting(logits, logits, logits, undefined, 2), importance },
    { labels: undefined },
  )
  const [value, gradient] = interpret(
    [loss, gradients(loss, [importance])[0]!],
    new Map([
      ['importance', vector(usage)],
      ['logits', { shape: [0, usage.length], data: new Float64Array() }],
    ]),
  )
  return { loss: value!.data[0]!, gradient: [...gradient!.data] }
}

/** Rows of standard normal numbers times `spread`, plus a bias for each column. */
export function randomLogits(
  source: Draws,
  images: number,
  bias: readonly number[],
  spread = 1,
): readonly (readonly number[])[] {
  return Array.from({ length: images }, () => bias.map(offset => offset + spread * source.normal()))
}
