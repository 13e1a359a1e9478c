import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { HostTensor } from '../src/base/tensor.ts'

/** Where the golden values lie; another folder of the same form can be tried. */
export const goldenFolder =
  process.env.GOLDEN_DIR ?? fileURLToPath(new URL('./fixtures/golden', import.meta.url))

/** The tensors whose names start with a prefix, by the rest of their names. */
export function tensorsUnder(
  tensors: ReadonlyMap<string, HostTensor>,
  prefix: string,
): Map<string, HostTensor> {
  return new Map(
    [...tensors]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, t]) => [name.slice(prefix.length), t]),
  )
}

/** Largest difference relative to the largest expected magnitude. */
export function expectClose(
  got: HostTensor,
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expect(got.data.length, `${what}: number of values`).toBe(expected.length)
  const scale = Math.max(1e-6, ...expected.map(Math.abs))
  let worst = 0
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(Number(got.data[i]) - value) / scale
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference)
  }
  expect(worst, `${what}: largest difference relative to ${scale}`).toBeLessThanOrEqual(tolerance)
}

/** The values of a tensor as numbers, whatever its dtype. */
export function numbers({ data }: HostTensor): number[] {
  return Array.from({ length: data.length }, (_, i) => Number(data[i]))
}
