/**
 * One extent of a shape: a number, or the name of an extent known only when the graph runs (how many images
 * an expert receives). Arithmetic on a name gives a new name, so equal computations get equal names.
 */
export type Dim = number | string

/** The extents of a tensor, slowest first; `[]` is a scalar. */
export type Shape = readonly Dim[]

export function dimProduct(dims: Shape): Dim {
  const known = dims.filter(dim => typeof dim === 'number').reduce((product, dim) => product * dim, 1)
  const names = dims.filter(dim => typeof dim === 'string').sort()
  if (names.length === 0 || known === 0) return known
  return (known === 1 ? names : [String(known), ...names]).join('*')
}

export function dimSum(dims: Shape): Dim {
  const known = dims.filter(dim => typeof dim === 'number').reduce((sum, dim) => sum + dim, 0)
  const names = dims.filter(dim => typeof dim === 'string').sort()
  if (names.length === 0) return known
  return (known === 0 ? names : [...names, String(known)]).join('+')
}

/**
 * `floor((extent + padding − extent) /  stride) + 1`: the extent after sliding a window of that extent.
 *
 * @param padding - on both sides together
 */
export function dimWindow(extent: Dim, padding: number, reach: number, stride: number): Dim {
  if (typeof extent === 'number') return Math.floor((extent + padding - reach) / stride) + 1
  if (stride === 1 && padding === reach - 1) return extent
  return `floor((${extent}${signed(padding - reach)})/${stride})+1`
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/** The shape as messages print it: `[N, 64, 8, 8]`. */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`
}
