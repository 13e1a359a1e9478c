import { describe, expect, it } from 'vitest'
import {
  inputTransform,
  kernelTransform,
  kronecker,
  type Matrix,
  outputTransform,
  tileFilling,
  tilesOf,
  transposed,
} from './winograd-transforms.ts'

const times = (matrix: Matrix, vector: readonly number[]): number[] =>
  matrix.map(row => row.reduce((sum, value, i) => sum + value * vector[i]!, 0))

/** Small integers without a pattern. */
const whole = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => ((i * i * 7 + i * 3 + seed * 5) % 11) - 5)

/** A 3×3 convolution with padding 1, as the definition has it. */
function convolved(x: readonly number[], kernel: readonly number[], height: number, width: number): number[] {
  const at = (i: number, j: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : x[i * width + j]!
  return Array.from({ length: height * width }, (_, place) => {
    const [i, j] = [Math.floor(place / width), place % width]
    return kernel.reduce((sum, tap, t) => sum + tap * at(i + Math.floor(t / 3) - 1, j + (t % 3) - 1), 0)
  })
}

describe("Winograd's transforms", () => {
  it.each([
    [1, 1],
    [3, 5],
    [4, 4],
    [7, 4],
    [8, 9],
    [13, 2],
  ])('give a convolution of %i × %i places with a product a point', (height, width) => {
    const [x, kernel] = [whole(height * width, 1), whole(9, 2)]
    const V = times(kronecker(inputTransform(height), inputTransform(width)), x)
    const U = times(kernelTransform(), kernel)
    // Row a·tiles + k of an axis is point a of tile k.
    const [down, across] = [tilesOf(height), tilesOf(width)]
    const M = V.map((value, i) => {
      const [row, column] = [Math.floor(i / (6 * across)), i % (6 * across)]
      return value * U[Math.floor(row / down) * 6 + Math.floor(column / across)]!
    })
    const y = times(kronecker(outputTransform(height), outputTransform(width)), M)
    const expected = convolved(x, kernel, height, width)
    for (const [i, value] of expected.entries()) expect(y[i]).toBeCloseTo(value, 9)
  })

  it('cover an axis by tiles of 4', () => {
    expect([1, 4, 5, 8, 13].map(tilesOf)).toEqual([1, 1, 2, 2, 4])
    expect(tileFilling(4, 8)).toBe(1)
    expect(tileFilling(7, 7)).toBe(49 / 64)
    expect(tileFilling(5, 4)).toBe(5 / 8)
  })

  it('are transposed row by column', () => {
    expect(transposed([[1, 2, 3], [4, 5, 6]])).toEqual([[1, 4], [2, 5], [3, 6]]) // biome-ignore format: matrices
    expect(kronecker([[1, 2]], [[3], [4]])).toEqual([[3, 6], [4, 8]]) // biome-ignore format: matrices
  })
})
