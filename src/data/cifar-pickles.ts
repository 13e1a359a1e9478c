import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { reasonOf, rethrowExhausted } from '../files/disk.ts'
import { type PickleContext, PickleFunction, PickleObject, readPickle } from '../files/pickle.ts'
import { readRegularFile } from '../files/regular-file.ts'

/**
 * The Python version of CIFAR (cs.toronto.edu/~kriz/cifar.html): a pickled dict in each file, with `data`, a NumPy array of
 * uint8 [N, 3072] whose rows are those of the binary version, and lists of labels.
 */
export interface CifarPickles {
  /** The folder inside the authors' archive. */
  readonly folder: string
  readonly train: readonly string[]
  readonly test: readonly string[]
  /** Lists of labels, in the order of the binary version's label bytes. */
  readonly labels: readonly string[]
  /** How many classes each of them has. */
  readonly limits: readonly number[]
  readonly meta: string
  readonly names: string
  readonly coarseNames: string | undefined
}

const pixelBytes = 3072
/** The published files have at most 160 MB. */
const mostBytes = 512e6
const help =
  'the file is damaged or no file of the Python version of CIFAR; copy it from the archive again, or use the binary version'

/** A NumPy dtype, of which only uint8 is read. */
class DType extends PickleObject {
  constructor(readonly name: unknown) {
    super()
  }
  setState(): void {
    // Byte order and alignment, which a byte does not have.
  }
}

/** A NumPy array of uint8. */
class ByteArray extends PickleObject {
  shape: readonly unknown[] = []
  bytes: Uint8Array = new Uint8Array()

  /** `(version, shape, dtype, is_fortran, data)`; of protocols below 3 the data is text, whose code units are the bytes. */
  setState(state: unknown, context: PickleContext): void {
    const [, shape, dtype, isFortran, data] = Array.isArray(state) ? (state as unknown[]) : []
    if (!Array.isArray(shape) || !(dtype instanceof DType)) context.refuse('it has an array without a shape')
    if ((dtype as DType).name !== 'u1' && (dtype as DType).name !== 'uint8')
      context.refuse(`it has an array of ${String((dtype as DType).name).slice(0, 20)}, not of uint8`)
    if (isFortran === true) context.refuse('its array is in the order of columns')
    this.shape = shape as readonly unknown[]
    if (typeof data === 'string') context.allocate(data.length)
    this.bytes =
      data instanceof Uint8Array
        ? data
        : typeof data === 'string'
          ? Uint8Array.from(data, character => character.charCodeAt(0))
          : context.refuse('its array has no bytes')
  }
}

const reconstruct = new PickleFunction(() => new ByteArray())
const multiarray = ['numpy.core.multiarray', 'numpy._core.multiarray']

/** All that a file may name; each is a function of this file. */
const globals = new Map<string, unknown>([
  ...multiarray.map(module => [`${module}._reconstruct`, reconstruct] as const),
  ...['numpy._core.numeric._frombuffer', 'numpy.core.numeric._frombuffer'].map(
    name =>
      [
        name,
        new PickleFunction(([data, dtype, shape, order], context) => {
          const array = new ByteArray()
          array.setState([1, shape, dtype, order === 'F', data], context)
          return array
        }),
      ] as const,
  ),
  ['numpy.ndarray', 'ndarray'],
  ['numpy.dtype', new PickleFunction(([name]) => new DType(name))],
  // How protocol 2 has bytes: text and its encoding.
  [
    '_codecs.encode',
    new PickleFunction(([text, encoding], context) => {
      if (typeof text !== 'string' || encoding !== 'latin1')
        return context.refuse('it has bytes in an unknown encoding')
      context.allocate(text.length)
      return Uint8Array.from(text, character => character.charCodeAt(0))
    }),
  ],
])

async function readDict(path: string): Promise<ReadonlyMap<string, unknown>> {
  const bytes = await readRegularFile(path, mostBytes).catch((cause: unknown) => {
    rethrowExhausted(cause, 'read', path)
    return refuse(`expected a readable file, got ${reasonOf(cause)}`, path)
  })
  const { value } = readPickle(bytes, { source: path, help, globals })
  if (!(value instanceof Map)) return refuse('expected a dict, found something else', path)
  // Keys of Python 2 are text; those of a file that was written again may be bytes.
  return new Map([...value].map(([key, own]) => [textOf(key), own]))
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
}

/** Records as those of the binary version: labels, then pixels. */
export async function readCifarPickles(
  place: string,
  { labels, limits }: CifarPickles,
  files: readonly string[],
  most: readonly number[],
): Promise<{ readonly bytes: Uint8Array; readonly count: number; readonly stride: number }> {
  const stride = labels.length + pixelBytes
  const parts: Uint8Array[] = []
  for (const [i, file] of files.entries()) {
    const path = join(place, file)
    // A part of the batches will do, as of the binary version.
    if ((await stat(path).catch(() => undefined)) === undefined) continue
    const dict = await readDict(path)
    const array = dict.get('data')
    if (!(array instanceof ByteArray))
      return refuse('expected "data" as an array of NumPy, found something else', path)
    const [count, width, ...more] = array.shape
    const isWhole =
      typeof count === 'number' &&
      width === pixelBytes &&
      more.length === 0 &&
      array.bytes.length === count * pixelBytes
    if (!isWhole || count < 1 || count > most[i]!)
      return refuse(
        `expected 1 … ${most[i]} images of ${pixelBytes} bytes, found shape ${array.shape.slice(0, 5).join(' × ')} and ${array.bytes.length} bytes`,
        path,
      )
    const records = new Uint8Array(count * stride)
    for (const [byte, name] of labels.entries()) {
      const list = dict.get(name)
      if (!Array.isArray(list) || list.length !== count)
        return refuse(
          `expected ${count} labels in "${name}", found ${Array.isArray(list) ? list.length : 'no list'}`,
          path,
        )
      for (const [at, label] of list.entries()) {
        if (!Number.isInteger(label) || label < 0 || label >= limits[byte]!)
          refuse(
            `expected a label of 0 … ${limits[byte]! - 1}, got ${String(label).slice(0, 20)}`,
            `${path}, ${name}[${at}]`,
          )
        records[at * stride + byte] = label
      }
    }
    for (let at = 0; at < count; at++)
      records.set(array.bytes.subarray(at * pixelBytes, (at + 1) * pixelBytes), at * stride + labels.length)
    parts.push(records)
  }
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return { bytes, count: bytes.length / stride, stride }
}

/** The names of classes and superclasses; numbers where there is no file of names. */
export async function readCifarNames(
  place: string,
  { meta, names, coarseNames }: CifarPickles,
  [classes, superclasses]: readonly [number, number],
): Promise<{ readonly classes: readonly string[]; readonly superclasses: readonly string[] | undefined }> {
  const path = join(place, meta)
  const isThere = (await stat(path).catch(() => undefined)) !== undefined
  const dict = isThere ? await readDict(path) : new Map<string, unknown>()
  const read = (key: string, count: number): readonly string[] => {
    if (!isThere) return Array.from({ length: count }, (_, label) => `class ${label}`)
    const list = dict.get(key)
    if (!Array.isArray(list) || list.length !== count)
      return refuse(
        `expected ${count} names in "${key}", found ${Array.isArray(list) ? list.length : 'no list'}`,
        path,
      )
    return list.map(textOf)
  }
  return {
    classes: read(names, classes),
    superclasses: coarseNames === undefined ? undefined : read(coarseNames, superclasses),
  }
}

function refuse(message: string, where: string): never {
  return fail({ kind: 'data', message, where, help })
}
