/** A number for rows and one for columns. */
export type Pair = readonly [number, number]

/** Top, left, bottom, right, as in ONNX. */
export type Sides = readonly [number, number, number, number]

/** The window of a convolution, which its gradients need too. */
export interface Window {
  readonly stride: Pair
  readonly padding: Sides
  readonly dilation: Pair
  readonly groups: number
}

/** A number for both axes as [rows, columns]. */
export function pairOf(value: number | Pair): Pair {
  return typeof value === 'number' ? [value, value] : value
}

/** Padding of all four sides. */
export function sidesOf(padding: number | Pair | Sides): Sides {
  if (typeof padding === 'number') return [padding, padding, padding, padding]
  return padding.length === 2 ? [padding[0], padding[1], padding[0], padding[1]] : padding
}
