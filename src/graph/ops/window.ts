/** A number for rows and one for columns. */
export type Pair = readonly [number, number]

/** Top, left, bottom, right, as ONNX has them. */
export type Sides = readonly [number, number, number, number]

/** The numbers of a convolution that its gradients need too. */
export interface Window {
  readonly stride: Pair
  readonly padding: Sides
  readonly dilation: Pair
  readonly groups: number
}

/** [rows, columns] of a number that may be one for both. */
export function pairOf(value: number | Pair): Pair {
  return typeof value === 'number' ? [value, value] : value
}

/** Padding of all four sides. */
export function sidesOf(padding: number | Pair | Sides): Sides {
  if (typeof padding === 'number') return [padding, padding, padding, padding]
  return padding.length === 2 ? [padding[0], padding[1], padding[0], padding[1]] : padding
}
