import type { LayerSummary } from '../run/events.ts'

/** Σ w of each class for each expert: what an expert was given, by class. */
export interface ClassWeights {
  readonly experts: number
  /** [classes · experts], row-major. */
  readonly weights: Float64Array
  /** Images of each class. */
  readonly images: Float64Array
}

export function emptyClassWeights(classes: number, experts: number): ClassWeights {
  return { experts, weights: new Float64Array(classes * experts), images: new Float64Array(classes) }
}

/** Adds a batch: its labels and its weights [N, E]. */
export function addWeights(sums: ClassWeights, labels: BigInt64Array, weights: Float32Array): void {
  for (const [n, label] of labels.entries()) {
    const row = Number(label)
    sums.images[row]! += 1
    for (let e = 0; e < sums.experts; e++)
      sums.weights[row * sums.experts + e]! += weights[n * sums.experts + e]!
  }
}

/**
 * The classes that each expert prefers: those whose mean weight for it exceeds its mean weight over all images the
 * most. `weight` is the class's mean weight for the expert, `lift` that ÷ the expert's mean weight over all images.
 * An expert that is never used prefers nothing.
 */
export function preferredClasses(
  { experts, weights, images }: ClassWeights,
  names: readonly string[],
  count = 5,
): LayerSummary['preferred'] {
  const total = images.reduce((a, b) => a + b, 0)
  return Array.from({ length: experts }, (_, expert) => {
    let sum = 0
    for (let c = 0; c < names.length; c++) sum += weights[c * experts + expert]!
    const average = total === 0 ? 0 : sum / total
    const classes = names
      .map((name, c) => {
        const weight = images[c] === 0 ? 0 : weights[c * experts + expert]! / images[c]!
        return { name, weight, lift: average === 0 ? 0 : weight / average }
      })
      .filter(({ lift }) => lift > 1)
      .sort((a, b) => b.lift - a.lift)
      .slice(0, count)
    return { expert, classes }
  })
}
