import type { HostTensor } from '../base/tensor.ts'
import type { Tensor } from '../graph/index.ts'
import { addUnit, emptyClassWeights, preferredClasses } from '../metrics/preferred-classes.ts'
import {
  addBatch,
  counterValues,
  emptySums,
  type UtilizationSums,
  utilization,
} from '../metrics/utilization.ts'
import { counterOutput, type LayerInfo, type MoeStatistics } from '../moe/index.ts'
import type { LayerStats, LayerSummary } from '../run/events.ts'
import { floatsOf } from '../runtime/outputs.ts'

/** How a mixture routed every input of every image of a split. */
export interface RoutedLayer {
  readonly name: string
  readonly experts: number
  readonly k: number
  /** Inputs of an image: 1, or the levels of a feature pyramid. */
  readonly inputs: number
  /** Weights [images · inputs, E], row image · inputs + input; 0 for experts that were not chosen. */
  readonly weights: Float32Array
  /** The gate's logits, likewise, before noise and masks. */
  readonly logits: Float32Array
}

/** What has a class in a split: an image, or an object. */
export interface LabelledItem {
  /** Number of its image in the split. */
  readonly image: number
  readonly label: number
  /** The level of the pyramid that it belongs to, from 0; -1 for none, and where there are no levels 0. */
  readonly level: number
}

/** Row of an item in the weights of a layer; undefined where none of its inputs has the item. */
export function rowOf(
  { inputs }: Pick<RoutedLayer, 'inputs'>,
  { image, level }: Pick<LabelledItem, 'image' | 'level'>,
): number | undefined {
  if (inputs === 1) return image
  return level < 0 ? undefined : image * inputs + level
}

/** The weights [E] that an image's level was given. */
export function weightsAt(layer: RoutedLayer, image: number, level: number): Float32Array {
  const row = image * layer.inputs + (layer.inputs === 1 ? 0 : level)
  return layer.weights.subarray(row * layer.experts, (row + 1) * layer.experts)
}

/** The experts that computed an image, most weight first. */
export type ExpertsOfImage = readonly { readonly expert: number; readonly weight: number }[]

/** For each layer the experts of an image; of one with several inputs with their mean weights. */
export function expertsOfImage(routing: readonly RoutedLayer[], image: number): ExpertsOfImage[] {
  return routing.map(layer => {
    const { experts, inputs } = layer
    const means = new Float64Array(experts)
    for (let input = 0; input < inputs; input++)
      for (const [expert, weight] of weightsAt(layer, image, input).entries())
        means[expert]! += weight / inputs
    return Array.from(means, (weight, expert) => ({ expert, weight }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => b.weight - a.weight || a.expert - b.expert)
  })
}

/**
 * What a program gives of its mixtures: `NAME.weights` and `NAME.logits` [inputs · N, E], row input · N + image, and the
 * constraint's counters (`NAME.counters.r`).
 */
export function routingOutputs(stats: readonly MoeStatistics[]): (readonly [string, Tensor])[] {
  return stats.flatMap(({ name, routing, counters }) => [
    [`${name}.weights`, routing.weights] as const,
    [`${name}.logits`, routing.cleanLogits] as const,
    ...Object.entries(counters).map(([counter, value]) => [counterOutput(name, counter), value] as const),
  ])
}

/** Collects, batch by batch, how mixtures route a split. */
export class RoutingCollector {
  #layers:
    | { readonly info: LayerInfo; readonly sums: UtilizationSums; readonly routed: RoutedLayer }[]
    | undefined

  /** @param images - of the split */
  constructor(readonly images: number) {}

  /**
   * Adds a batch.
   *
   * @param indices - numbers in the split of the batch's images
   * @param outputs - of a program, with {@link routingOutputs}
   */
  add(indices: Uint32Array, outputs: ReadonlyMap<string, HostTensor>, layers: readonly LayerInfo[]): void {
    this.#layers ??= layers.map(info => {
      const length = this.images * info.inputs * info.experts
      const [weights, logits] = [new Float32Array(length), new Float32Array(length)]
      const { name, experts, k, inputs } = info
      return { info, sums: emptySums(name, experts), routed: { name, experts, k, inputs, weights, logits } }
    })
    for (const { info, sums, routed } of this.#layers) {
      const { name, experts, inputs, counters } = info
      const weights = floatsOf(outputs, `${name}.weights`)
      const logits = floatsOf(outputs, `${name}.logits`)
      const count = indices.length
      const importance = new Array<number>(experts).fill(0)
      const activation = new Array<number>(experts).fill(0)
      for (let row = 0; row < count * inputs; row++) {
        const [input, place] = [Math.floor(row / count), row % count]
        const to = (indices[place]! * inputs + input) * experts
        for (let e = 0; e < experts; e++) {
          const weight = weights[row * experts + e]!
          importance[e]! += weight
          activation[e]! += Number(weight > 0)
          routed.weights[to + e] = weight
          routed.logits[to + e] = logits[row * experts + e]!
        }
      }
      addBatch(sums, {
        importance,
        activation,
        counters: counterValues(name, counters, outputs),
        images: count * inputs,
      })
    }
  }

  get stats(): LayerStats[] {
    return (this.#layers ?? []).map(({ sums }) => utilization(sums))
  }

  get routing(): RoutedLayer[] {
    return (this.#layers ?? []).map(({ routed }) => routed)
  }
}

/** How each layer used its experts, with the classes that each expert prefers; items of one row count as one unit. */
export function layerSummaries(
  {
    layers,
    routing,
    items,
  }: {
    readonly layers: readonly LayerStats[]
    readonly routing: readonly RoutedLayer[]
    readonly items: readonly LabelledItem[]
  },
  classes: readonly string[],
): LayerSummary[] {
  return layers.map((layer, i) => {
    const routed = routing[i]!
    const units = new Map<number, Map<number, number>>()
    for (const item of items) {
      const row = rowOf(routed, item)
      if (row === undefined) continue
      const counts = units.get(row) ?? new Map<number, number>()
      counts.set(item.label, (counts.get(item.label) ?? 0) + 1)
      units.set(row, counts)
    }
    const sums = emptyClassWeights(classes.length, routed.experts)
    for (const [row, counts] of units)
      addUnit(sums, counts, routed.weights.subarray(row * routed.experts, (row + 1) * routed.experts))
    return { ...layer, preferred: preferredClasses(sums, classes) }
  })
}
