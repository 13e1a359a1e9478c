/** NumPy's arrays and scalars in pickles, as `ndarray.__reduce__` and `numpy.core.multiarray.scalar` write them. */
import { bytesOf, type PickleContext, PickleFunction, PickleObject } from './pickle.ts'
import { viewOf } from './safetensors-elements.ts'

/** The type of an array's elements: `f4`, `u1`, `i8`, … and whether the least byte is first. */
export class NumpyType extends PickleObject {
  littleEndian = true

  constructor(readonly name: string) {
    super()
  }

  /** Bytes of one element. */
  get bytes(): number {
    return Number(this.name.slice(1))
  }

  override setState(state: unknown, { refuse }: PickleContext): void {
    const order: unknown = Array.isArray(state) ? state[1] : undefined
    if (typeof order !== 'string' || !['<', '>', '|', '='].includes(order))
      refuse('a dtype in it has no byte order')
    this.littleEndian = order !== '>'
  }
}

/** An array: extents, element type, and the elements' bytes, row-major or, if `isFortran`, column-major. */
export class NumpyArray extends PickleObject {
  shape: readonly number[] = []
  type = new NumpyType('u1')
  isFortran = false
  bytes: Uint8Array = new Uint8Array()

  override setState(state: unknown, context: PickleContext): void {
    const refuse: PickleContext['refuse'] = context.refuse
    const [, shape, type, isFortran, content]: unknown[] = Array.isArray(state) ? state : []
    const bytes = bytesOf(content)
    if (!isShape(shape) || !(type instanceof NumpyType) || bytes === undefined)
      refuse('an array in it is not of numbers')
    const expected = shape.reduce((product, extent) => product * extent, type.bytes)
    if (bytes.length !== expected)
      refuse(
        `an array of shape [${shape.join(', ')}] and type ${type.name} has ${expected} bytes, found ${bytes.length}`,
      )
    Object.assign(this, { shape, type, isFortran: isFortran === true || isFortran === 1, bytes })
  }
}

function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= 32 &&
    value.every(extent => Number.isSafeInteger(extent) && extent >= 0)
  )
}

const types = /^(?:[?]|b1|f[248]|[iu][1248]|c8|c16)$/

const dtype = new PickleFunction(([name], { refuse }) => {
  const text = typeof name === 'string' ? name.replace(/^[<>|=]/, '') : ''
  if (!types.test(text))
    return refuse(`it has an array of the type ${String(name).slice(0, 40)}, which is not read`)
  return new NumpyType(text === '?' ? 'b1' : text)
})

/** `numpy.core.multiarray.scalar(dtype, bytes)` as a number. */
const scalar = new PickleFunction(([type, content], { refuse }) => {
  const bytes = bytesOf(content)
  if (!(type instanceof NumpyType) || bytes === undefined || bytes.length !== type.bytes)
    return refuse('a number of NumPy in it is incomplete')
  const view = viewOf(bytes)
  const read: Record<string, () => number | bigint> = {
    f4: () => view.getFloat32(0, type.littleEndian),
    f8: () => view.getFloat64(0, type.littleEndian),
    i8: () => view.getBigInt64(0, type.littleEndian),
    u8: () => view.getBigUint64(0, type.littleEndian),
    i4: () => view.getInt32(0, type.littleEndian),
    u4: () => view.getUint32(0, type.littleEndian),
    i2: () => view.getInt16(0, type.littleEndian),
    u2: () => view.getUint16(0, type.littleEndian),
    i1: () => view.getInt8(0),
    u1: () => view.getUint8(0),
    b1: () => view.getUint8(0),
  }
  const value = read[type.name]?.() ?? refuse(`it has a number of the type ${type.name}, which is not read`)
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value
})

const ndarray = new PickleFunction((_, { refuse }) =>
  refuse('an array in it is made otherwise than by _reconstruct'),
)

const reconstruct = new PickleFunction(([type], { refuse }) =>
  type === ndarray ? new NumpyArray() : refuse('it has an array of a type of its own'),
)

/** Protocol 5: `_frombuffer(bytes, dtype, shape, order)`. */
const fromBuffer = new PickleFunction(([content, type, shape, order], context) => {
  const array = new NumpyArray()
  array.setState([1, shape, type, order === 'F', content], context)
  return array
})

/** The names by which pickles of NumPy 1 and 2 make arrays and scalars. */
export const numpyGlobals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['numpy.ndarray', ndarray],
  ['numpy.dtype', dtype],
  ...['numpy.core.multiarray', 'numpy._core.multiarray'].flatMap((module): [string, unknown][] => [
    [`${module}._reconstruct`, reconstruct],
    [`${module}.scalar`, scalar],
  ]),
  ['numpy.core.numeric._frombuffer', fromBuffer],
  ['numpy._core.numeric._frombuffer', fromBuffer],
])
