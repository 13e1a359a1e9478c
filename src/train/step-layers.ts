import type { HostTensor } from '../base/tensor.ts'
import { counterValues } from '../metrics/utilization.ts'
import type { LayerInfo } from '../moe/index.ts'

/** What one step did with a mixture's experts, as `metrics.jsonl` has it. */
export interface StepLayer {
  /** Each expert's share of the gate weights, to four decimals; [E], sums to 1. */
  readonly shares: readonly number[]
  /** Numbers of the experts that a hard constraint excluded; left out where there was none. */
  readonly excluded?: readonly number[]
  /** The constraint's counters after the step, to five digits; left out where it has none. */
  readonly counters?: Readonly<Record<string, readonly number[]>>
}

/** Every mixture's {@link StepLayer}, by its name; undefined for a network without mixtures. */
export function stepLayers(
  layers: readonly LayerInfo[],
  outputs: ReadonlyMap<string, HostTensor>,
): Readonly<Record<string, StepLayer>> | undefined {
  if (layers.length === 0) return undefined
  const values = (name: string): number[] => Array.from(outputs.get(name)?.data ?? [], Number)
  return Object.fromEntries(
    layers.map(({ name, counters }) => {
      const weights = values(`${name}.importance`)
      const total = weights.reduce((a, b) => a + b, 0)
      const shares = weights.map(weight => (total === 0 ? 0 : Number((weight / total).toFixed(4))))
      const excluded = values(`${name}.excluded`).flatMap((is, expert) => (is > 0 ? [expert] : []))
      const counted = Object.entries(counterValues(name, counters, outputs)).map(
        ([counter, own]) => [counter, own.map(value => Number(value.toPrecision(5)))] as const,
      )
      const layer: StepLayer = {
        shares,
        ...(excluded.length === 0 ? {} : { excluded }),
        ...(counted.length === 0 ? {} : { counters: Object.fromEntries(counted) }),
      }
      return [name, layer] as const
    }),
  )
}
