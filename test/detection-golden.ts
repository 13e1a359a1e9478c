import { readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** What `golden_detection.py` made: the parts of a detector in float64, from other hands. Arrays are row-major. */
interface DetectionGolden {
  readonly losses: {
    readonly classes: number
    readonly targets: readonly number[][]
    readonly logits: readonly number[]
    readonly other: readonly number[]
    readonly weight: number
    readonly fromLogits: { readonly value: number; readonly gradient: readonly number[] }
    readonly fromMixture: { readonly value: number; readonly gradients: readonly number[][] }
    readonly codes: readonly number[]
    readonly boxTargets: readonly number[]
    readonly smoothL1: { readonly value: number; readonly gradient: readonly number[] }
  }
  readonly matching: {
    readonly canvas: readonly [number, number]
    readonly strides: readonly number[]
    readonly anchors: readonly number[]
    readonly boxes: readonly number[]
    readonly match: readonly number[]
    readonly lowQuality: readonly number[]
    readonly codes: readonly number[]
  }
  readonly decoding: {
    readonly canvas: readonly [number, number]
    readonly anchors: readonly number[]
    readonly codes: readonly number[]
    readonly boxes: readonly number[]
  }
  readonly suppression: {
    readonly boxes: readonly number[]
    readonly scores: readonly number[]
    readonly options: { readonly maxPerClass: number; readonly iou: number; readonly score: number }
    readonly rows: readonly number[][]
  }
  readonly pyramid: Differentiated
  readonly heads: Differentiated
  /** What METHOD.md §5.3 has otherwise than torchvision. */
  readonly original: {
    readonly targets: readonly number[][]
    readonly logits: readonly number[]
    readonly clampedFocal: { readonly value: number; readonly gradient: readonly number[] }
    readonly gate: Differentiated
    readonly boxes: readonly number[]
    readonly anchor: readonly number[]
    readonly codes: readonly number[]
  }
}

/** Results, and gradients of Σ results · `wave(9 + i)` over results i, by name of what they are of. */
interface Differentiated {
  readonly outputs: readonly number[][]
  readonly gradients: Readonly<Record<string, readonly number[]>>
}

const file = new URL('./fixtures/detection-golden.json', import.meta.url)
export const detectionGolden: DetectionGolden = JSON.parse(readFileSync(file, 'utf8'))

/** 0.4·sin(seed + 0.7·i), which the golden values were computed from. */
export function wave(seed: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => 0.4 * Math.sin(seed + 0.7 * i))
}

/** Largest difference relative to the largest magnitude. */
export function expectValues(
  got: ArrayLike<number>,
  wanted: ArrayLike<number>,
  tolerance: number,
  what: string,
): void {
  expect(got.length, `${what}: number of values`).toBe(wanted.length)
  const scale = Array.from(wanted).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6)
  const worst = Array.from(wanted).reduce((most, value, i) => {
    const difference = Math.abs(got[i]! - value) / scale
    return Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(most, difference)
  }, 0)
  expect(worst, `${what}: largest difference relative to ${scale}`).toBeLessThanOrEqual(tolerance)
}
