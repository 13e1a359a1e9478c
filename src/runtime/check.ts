import { fail } from '../base/errors.ts'
import { type DType, type HostTensor, sizeOf, type TensorData } from '../base/tensor.ts'
import type { TensorSpec } from '../graph/program.ts'

const arrays: Record<DType, (data: TensorData) => boolean> = {
  float32: data => data instanceof Float32Array,
  int64: data => data instanceof BigInt64Array,
  bool: data => data instanceof Uint8Array,
  uint8: data => data instanceof Uint8Array,
}

/** `float32 [N, 3, 32, 32]`, as errors write it. */
export function signature(tensor: Pick<TensorSpec, 'dtype' | 'shape'>): string {
  return `${tensor.dtype} [${tensor.shape.join(', ')}]`
}

/**
 * Checks that a tensor is what a program declares: element type, rank, every extent, and as many values as its
 * shape says. The engine would answer some of these with a message that names no tensor, and others not at all.
 *
 * @param symbols - the extents that symbolic dimensions have been given so far; extended by this tensor's
 * @throws MoietyError `data` that names the tensor, what was expected and what came
 */
export function checkTensor(spec: TensorSpec, tensor: HostTensor, symbols: Map<string, number>): void {
  const where = `tensor ${spec.name}`
  if (!arrays[tensor.dtype](tensor.data) || tensor.data.length !== sizeOf(tensor.shape)) {
    fail({
      kind: 'data',
      message: `expected ${sizeOf(tensor.shape)} values of ${tensor.dtype} for ${signature(tensor)}, but ${tensor.data.length} came in a ${tensor.data.constructor.name}`,
      where,
      help: 'the length of the array must be the product of the shape, and its class must fit the element type',
    })
  }
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
      message: `expected ${signature({ dtype: spec.dtype, shape })}, but ${signature(tensor)} came`,
      where,
      help: 'give the tensor the element type and shape that the program was built for',
    })
  }
  for (const [name, extent] of bound) symbols.set(name, extent)
}

/**
 * Finds a declared tensor by name.
 *
 * @throws MoietyError `usage` that lists the names there are
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
