import { significanceLevel } from '../base/exact-tests.ts'
import { probabilityOfMean } from './above-mean.ts'
import type { LayerStats } from './utilization.ts'

/** A class that an expert prefers: its share of the expert's weight, and that share ÷ the class's share of images. */
export interface PreferredClass {
  readonly name: string
  readonly weight: number
  readonly lift: number
}

/** How a layer used its experts, and the classes that each expert prefers, most first. */
export type LayerSummary = LayerStats & {
  readonly preferred: readonly { readonly expert: number; readonly classes: readonly PreferredClass[] }[]
}

/** Σ w of each class for each expert: what an expert was given, by class. */
export interface ClassWeights {
  readonly experts: number
  /** [classes · experts], row-major. */
  readonly weights: Float64Array
  /** Images of each class; of a detector, objects. */
  readonly images: Float64Array
  /** Σ over routed units of the square of how many of the class are in it; equal to `images` where each image is a unit. */
  readonly squaredImages: Float64Array
  /** Σ w and Σ w² of each expert over routed units, and their number. */
  readonly unitWeights: Float64Array
  readonly squaredWeights: Float64Array
  units: number
}

export function emptyClassWeights(classes: number, experts: number): ClassWeights {
  return {
    experts,
    weights: new Float64Array(classes * experts),
    images: new Float64Array(classes),
    squaredImages: new Float64Array(classes),
    unitWeights: new Float64Array(experts),
    squaredWeights: new Float64Array(experts),
    units: 0,
  }
}

/** Adds a batch: its labels and its weights [N, E]. */
export function addWeights(sums: ClassWeights, labels: BigInt64Array, weights: Float32Array): void {
  for (const [n, label] of labels.entries())
    addUnit(sums, [[Number(label), 1]], weights.subarray(n * sums.experts, (n + 1) * sums.experts))
}

/** Adds what is routed as one: how many of each class are in it, and its weights [E]. */
export function addUnit(
  sums: ClassWeights,
  counts: Iterable<readonly [label: number, count: number]>,
  weights: Float32Array,
): void {
  const { experts } = sums
  for (const [label, count] of counts) {
    sums.images[label]! += count
    sums.squaredImages[label]! += count * count
    for (let e = 0; e < experts; e++) sums.weights[label * experts + e]! += count * weights[e]!
  }
  for (let e = 0; e < experts; e++) {
    sums.unitWeights[e]! += weights[e]!
    sums.squaredWeights[e]! += weights[e]! ** 2
  }
  sums.units += 1
}

/**
 * The classes that each expert prefers: those whose mean weight for it exceeds its mean weight over all images the
 * most, and beyond chance: p · classes · experts ≤ 0.05 (`docs/reference/measures.md`). `weight` is the class's mean weight for the
 * expert, `lift` that ÷ the expert's mean weight over all images. An expert that is never used prefers nothing.
 *
 * Objects of one unit share its weights, so of a class with counts n over units (Σ n)² / Σ n² are independent.
 */
export function preferredClasses(
  sums: ClassWeights,
  names: readonly string[],
  count = 5,
): LayerSummary['preferred'] {
  const { experts, weights, images, squaredImages, unitWeights, squaredWeights, units } = sums
  const total = images.reduce((a, b) => a + b, 0)
  const comparisons = experts * images.filter(one => one > 0).length
  return Array.from({ length: experts }, (_, expert) => {
    let sum = 0
    for (let c = 0; c < names.length; c++) sum += weights[c * experts + expert]!
    const overall = total === 0 ? 0 : sum / total
    const variance = squaredWeights[expert]! / units - (unitWeights[expert]! / units) ** 2
    const deviation = Math.sqrt(Math.max(0, variance))
    const classes = names
      .flatMap((name, c) => {
        if (images[c] === 0 || overall === 0) return []
        const weight = weights[c * experts + expert]! / images[c]!
        const independent = images[c]! ** 2 / squaredImages[c]!
        const p = probabilityOfMean({ mean: weight, overall, deviation, images: independent })
        return p * comparisons <= significanceLevel ? [{ name, weight, lift: weight / overall }] : []
      })
      .sort((a, b) => b.lift - a.lift)
      .slice(0, count)
    return { expert, classes }
  })
}
