import { fail } from '../base/errors.ts'
import { type DType, type HostTensor, sizeOf, type TensorData } from '../base/tensor.ts'
import type { TakenValues, TensorSpec } from '../graph/program.ts'

const arrays: Record<DType, { readonly of: (data: TensorData) => boolean; readonly name: string }> = {
  float32: { of: data => data instanceof Float32Array, name: 'Float32Array' },
  int64: { of: data => data instanceof BigInt64Array, name: 'BigInt64Array' },
  bool: { of: data => data instanceof Uint8Array, name: 'Uint8Array' },
  uint8: { of: data => data instanceof Uint8Array, name: 'Uint8Array' },
}

/** `float32 [N, 3, 32, 32]`, as errors write it. */
export function signature(tensor: Pick<TensorSpec, 'dtype' | 'shape'>): string {
  return `${tensor.dtype} [${tensor.shape.join(', ')}]`
}

/**
 * Checks that a tensor is what a program declares: element type, rank, every extent, and as many values as its
 * shape says. The engine would report some of these without naming the tensor, and others not at all.
 *
 * @param symbols - the extents of symbolic dimensions so far; extended by this tensor's
 * @throws MoietyError `data` that names the tensor, what was expected and what was found
 */
export function checkTensor(spec: TensorSpec, tensor: HostTensor, symbols: Map<string, number>): void {
  checkForm(spec, tensor, `tensor ${spec.name}`)
  checkShape(spec, tensor, symbols)
}

/**
 * The same of a tensor whose values are not checked.
 *
 * @throws MoietyError as {@link checkTensor}
 */
export function checkShape(
  spec: TensorSpec,
  tensor: Pick<HostTensor, 'dtype' | 'shape'>,
  symbols: Map<string, number>,
): void {
  const where = `tensor ${spec.name}`
  const bound = new Map(symbols)
  const fits =
    tensor.dtype === spec.dtype &&
    tensor.shape.length === spec.shape.length &&
    spec.shape.every((extent, axis) => {
      const came = tensor.shape[axis]!
      if (typeof extent === 'number') return extent === came
      if (!bound.has(extent)) bound.set(extent, came)
      return bound.get(extent) === came
    })
  if (!fits) {
    const shape = spec.shape.map(extent =>
      typeof extent === 'string' ? (symbols.get(extent) ?? extent) : extent,
    )
    fail({
      kind: 'data',
      message: `expected ${signature({ dtype: spec.dtype, shape })}, but got ${signature(tensor)}`,
      where,
      help: `give the tensor the element type and shape that the program was built for${hintOf(spec)}`,
    })
  }
  for (const [name, extent] of bound) symbols.set(name, extent)
}

/** Refuses what is no tensor at all, for unchecked values. */
function checkForm(spec: TensorSpec, tensor: HostTensor, where: string): void {
  const given: unknown = tensor
  const isTensor =
    typeof given === 'object' &&
    given !== null &&
    'dtype' in given &&
    'shape' in given &&
    Array.isArray(given.shape) &&
    'data' in given &&
    ArrayBuffer.isView(given.data)
  if (!isTensor) {
    fail({
      kind: 'data',
      message: `expected ${signature(spec)}, but got no tensor: ${described(given)}`,
      where,
      help: `give { dtype, shape, data }, with the values in a ${arrays[spec.dtype].name}`,
    })
  }
  if (arrays[tensor.dtype] === undefined) {
    fail({
      kind: 'data',
      message: `expected ${signature(spec)}, but got the element type "${String(tensor.dtype)}"`,
      where,
      help: `element types are ${Object.keys(arrays).join(', ')}${hintOf(spec)}`,
    })
  }
  const isShape = tensor.shape.every(extent => Number.isInteger(extent) && extent >= 0)
  if (isShape && arrays[tensor.dtype].of(tensor.data) && tensor.data.length === sizeOf(tensor.shape)) return
  fail({
    kind: 'data',
    message: isShape
      ? `expected ${sizeOf(tensor.shape)} values of ${tensor.dtype} for ${signature(tensor)}, but got ${tensor.data.length} in a ${tensor.data.constructor.name}`
      : `expected a shape of whole numbers from 0, but got [${tensor.shape.join(', ')}]`,
    where,
    help: `the length of the array must be the product of the shape, and its class must fit the element type${hintOf(tensor)}`,
  })
}

/** JavaScript's only 64-bit integers. */
function hintOf({ dtype }: Pick<TensorSpec, 'dtype'>): string {
  return dtype === 'int64' ? '; int64 is a BigInt64Array: BigInt64Array.from(values, BigInt)' : ''
}

function described(given: unknown): string {
  if (given === undefined || given === null) return String(given)
  if (typeof given !== 'object') return `a ${typeof given}`
  return `a ${given.constructor?.name ?? 'object'}`
}

/**
 * Checks that a tensor which fits its declaration (`checkTensor`) holds only valid values of the input. One pass over inputs
 * with such a declaration, such as labels and anchor targets.
 *
 * @throws MoietyError `data` that names the first invalid value, its position and the count
 */
export function checkValues({ name, takes }: TensorSpec, { shape, data }: HostTensor): void {
  if (takes === undefined) return
  const first = nextOutside(data, takes, 0)
  if (first < 0) return
  let count = 0
  for (let at = first; at >= 0; at = nextOutside(data, takes, at + 1)) count += 1
  const others = count === 1 ? '' : `, the first of ${count} among ${data.length} values`
  fail({
    kind: 'data',
    message: `expected ${takes.expected}, but got ${data[first]}${others}`,
    where: `tensor ${name}${shape.length === 0 ? '' : `[${placeOf(first, shape).join(', ')}]`}`,
    help: takes.help,
  })
}

/** The first invalid element from `start` on; −1: none. The targets of a large detector are millions of elements. */
function nextOutside(data: TensorData, takes: TakenValues, start: number): number {
  if (data instanceof BigInt64Array) return nextOutsideIntegers(data, takes, start)
  // NaN is in no interval, and infinities are not in that of float32.
  const [least, most] = [Math.max(takes.least, -largestFloat), Math.min(takes.most, largestFloat)]
  return data instanceof Float32Array
    ? nextOutsideFloats(data, least, most, start)
    : data.findIndex((value, i) => i >= start && (value < least || value > most))
}

const largestFloat = (2 - 2 ** -23) * 2 ** 127

function nextOutsideFloats(data: Float32Array, least: number, most: number, start: number): number {
  for (let i = start; i < data.length; i++) if (!(data[i]! >= least && data[i]! <= most)) return i
  return -1
}

/** In two halves of 32 bits, as reading 64-bit values allocates a BigInt each, which takes several times as long. */
function nextOutsideIntegers(data: BigInt64Array, { least, most }: TakenValues, start: number): number {
  const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length)
  const [low, high] = littleEndian ? [0, 1] : [1, 0]
  for (let i = start; i < data.length; i++) {
    const value = halves[2 * i + low]!
    // The upper half of a number of 32 bits is its sign.
    if (value < least || value > most || halves[2 * i + high]! !== value >> 31) return i
  }
  return -1
}

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** The index of element `i` of a row-major tensor. */
function placeOf(i: number, shape: readonly number[]): number[] {
  const place: number[] = []
  let rest = i
  for (const extent of shape.toReversed()) {
    place.unshift(rest % extent)
    rest = Math.floor(rest / extent)
  }
  return place
}

/**
 * Finds a declared tensor by name.
 *
 * @throws MoietyError `usage` that lists the declared names
 */
export function specNamed(specs: readonly TensorSpec[], name: string, role: 'input' | 'output'): TensorSpec {
  return (
    specs.find(spec => spec.name === name) ??
    fail({
      kind: 'usage',
      message: `the program has no ${role} named "${name}"`,
      help: `its ${role}s are ${listed(specs.map(spec => spec.name))}`,
    })
  )
}

/** Up to eight names and how many more there are. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none'
  const rest = names.length - 8
  return names.slice(0, 8).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}
