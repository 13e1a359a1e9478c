/**
 * The matrices of Winograd's algorithm F(4×4, 3×3), with the points 0, ±1, ±2 and ∞ (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", 2016). A 3×3 convolution of a tile d, 6×6, with a kernel g gives 4×4 results
 *
 *     Y = Aᵀ · [(G · g · Gᵀ) ⊙ (Bᵀ · d · B)] · A,
 *
 * with 36 multiplications instead of 144. Tiles lie 4 apart, so those of one axis overlap by 2. As Y is linear in d and in g, both
 * gradients are the same products with the transposed matrices.
 */

/** Height and width of a tile's results, and of the tile. */
const results = 4
const points = 6

export type Matrix = readonly (readonly number[])[]

/** Bᵀ: a tile of the input to its 6 points. */
const tileToPoints: Matrix = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
]

/** G: the 3 taps of a kernel to the 6 points. */
const tapsToPoints: Matrix = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
]

/** Aᵀ: 6 points to 4 results. */
const pointsToResults: Matrix = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
]

/** The number of tiles that cover an axis. */
export function tilesOf(extent: number): number {
  return Math.ceil(extent / results)
}

/** The fraction of the results of all tiles that lie inside an image, 0 to 1. */
export function tileFilling(height: number, width: number): number {
  return (height * width) / (results ** 2 * tilesOf(height) * tilesOf(width))
}

/**
 * [6·tiles, extent]: Bᵀ for all tiles of an axis, where row a·tiles + k is point a of tile k. The zeros that a padding of 1 puts at
 * both ends are part of the matrix, and so are those beyond an extent that is no multiple of 4.
 */
export function inputTransform(extent: number): Matrix {
  return overTiles(extent, (a, offset) => tileToPoints[a]![offset + 1] ?? 0)
}

/** [extent, 6·tiles]: Aᵀ for all tiles of an axis, in the same order. Results beyond the extent are left out. */
export function outputTransform(extent: number): Matrix {
  return transposed(overTiles(extent, (a, offset) => pointsToResults[offset]?.[a] ?? 0))
}

/** [36, 9]: the kernel transform for both axes at once. */
export function kernelTransform(): Matrix {
  return kronecker(tapsToPoints, tapsToPoints)
}

/** [6·tiles, extent], from the value of a point for a place, counted from the first result of the tile. */
function overTiles(extent: number, value: (point: number, offset: number) => number): Matrix {
  const tiles = tilesOf(extent)
  return Array.from({ length: points * tiles }, (_, row) => {
    const [point, tile] = [Math.floor(row / tiles), row % tiles]
    return Array.from({ length: extent }, (_, place) => value(point, place - tile * results))
  })
}

export function transposed(matrix: Matrix): Matrix {
  return matrix[0]!.map((_, column) => matrix.map(row => row[column]!))
}

/** The Kronecker product: what `left` does along the rows and `right` along the columns of an image, as one matrix. */
export function kronecker(left: Matrix, right: Matrix): Matrix {
  return left.flatMap(a => right.map(b => a.flatMap(x => b.map(y => x * y))))
}
