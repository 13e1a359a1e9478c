import type { HostTensor } from '../base/tensor.ts'
import { counterOutput } from '../moe/index.ts'

/** How one mixture-of-experts layer used its experts; arrays have one value per expert (E). */
export interface LayerStats {
  readonly name: string
  /** Share of each expert in all weights; sums to 1. */
  readonly importance: readonly number[]
  /** Share of images that chose the expert; sums to K. */
  readonly activation: readonly number[]
  readonly cvImportance: number
  readonly cvActivation: number
  /** Experts with more than 1 % of the importance. */
  readonly active: number
  /** Fraction of steps in which a hard constraint excluded the expert. */
  readonly excluded: readonly number[]
  /** The constraint's counters at the end, by name, e.g. `r` of the relative importance constraint; often one per expert. */
  readonly counters: Readonly<Record<string, readonly number[]>>
}

/** Sums over images and steps from which a layer's utilization is computed; plain numbers, so that they can be saved. */
export interface UtilizationSums {
  readonly name: string
  /** Σ w per expert. */
  readonly importance: number[]
  /** Images that chose each expert. */
  readonly activation: number[]
  /** Steps in which each expert was excluded. */
  readonly excluded: number[]
  /** The constraint's counters after the last batch, by name. */
  counters: Record<string, number[]>
  images: number
  steps: number
}

/** Of a layer that has seen nothing. */
export function emptySums(name: string, experts: number): UtilizationSums {
  const zeros = (): number[] => new Array<number>(experts).fill(0)
  return {
    name,
    importance: zeros(),
    activation: zeros(),
    excluded: zeros(),
    counters: {},
    images: 0,
    steps: 0,
  }
}

/** Adds what one batch did. */
export function addBatch(
  sums: UtilizationSums,
  batch: {
    readonly importance: ArrayLike<number>
    readonly activation: ArrayLike<number>
    readonly excluded?: ArrayLike<number>
    readonly counters?: Record<string, number[]>
    readonly images: number
  },
): void {
  for (let i = 0; i < sums.importance.length; i++) {
    sums.importance[i]! += batch.importance[i]!
    sums.activation[i]! += batch.activation[i]!
    sums.excluded[i]! += batch.excluded?.[i] ?? 0
  }
  sums.counters = batch.counters ?? sums.counters
  sums.images += batch.images
  sums.steps += 1
}

/** The counters of a layer's constraint among the outputs of a program. */
export function counterValues(
  layer: string,
  counters: readonly string[],
  outputs: ReadonlyMap<string, HostTensor>,
): Record<string, number[]> {
  return Object.fromEntries(
    counters.map(name => [name, Array.from(outputs.get(counterOutput(layer, name))?.data ?? [], Number)]),
  )
}

/** An expert is active if its share of the importance is above this (METHOD.md §6.1). */
export const activeShare = 0.01

/**
 * Utilization of a layer (METHOD.md §6.1): shares of importance (sum 1), shares of images that chose each expert (sum
 * K), their coefficients of variation (population standard deviation ÷ mean; 0 where there is nothing), and how many
 * experts are active.
 */
export function utilization(sums: UtilizationSums): LayerStats {
  const total = sums.importance.reduce((a, b) => a + b, 0)
  const importance = sums.importance.map(value => (total === 0 ? 0 : value / total))
  const activation = sums.activation.map(value => (sums.images === 0 ? 0 : value / sums.images))
  return {
    name: sums.name,
    importance,
    activation,
    cvImportance: variation(importance),
    cvActivation: variation(activation),
    active: importance.filter(share => share > activeShare).length,
    excluded: sums.excluded.map(steps => (sums.steps === 0 ? 0 : steps / sums.steps)),
    counters: sums.counters,
  }
}

/** Coefficient of variation with the population standard deviation. */
export function variation(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length
  return mean === 0 ? 0 : Math.sqrt(variance) / mean
}
