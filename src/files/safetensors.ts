/**
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): eight bytes N, little-endian;
 * N bytes of JSON that give each tensor's dtype, shape and place; then the values, row-major, little-endian,
 * without a gap.
 *
 * Written: `float32` as F32, `int64` as I64, `bool` as BOOL, `uint8` as U8.
 * Read temporaryFolders: F64, F16 and BF16 become `float32` (F64 rounded to the nearest), I32 becomes `int64`.
 *
 * The processor is assumed to be little-endian, as are all that the engine supports.
 */
import { fail } from '../base/errors.ts'
import type { DType, HostTensor, State } from '../base/tensor.ts'
import { JsonReader, quoted } from './json-reader.ts'
import { type Reading, readings, viewOf } from './safetensors-elements.ts'

/** As in the reference implementation. */
const largestHeader = 100_000_000
/** ONNX Runtime and PyTorch stop far below; a shape of a million extents is an attack. */
const largestRank = 64

const written = {
  float32: { name: 'F32', bytes: 4 },
  int64: { name: 'I64', bytes: 8 },
  bool: { name: 'BOOL', bytes: 1 },
  uint8: { name: 'U8', bytes: 1 },
} as const satisfies Record<DType, { name: string; bytes: number }>

/** Raises `problem` unless the data has the type and length that dtype and shape announce. */
function checkTensor(name: string, { dtype, shape, data }: HostTensor): void {
  const problem = (message: string): never =>
    fail({ kind: 'usage', message: `cannot write the tensor ${quoted(name)}: ${message}`, where: name })
  const fits =
    (dtype === 'float32' && data instanceof Float32Array) ||
    (dtype === 'int64' && data instanceof BigInt64Array) ||
    ((dtype === 'bool' || dtype === 'uint8') && data instanceof Uint8Array)
  if (!fits) problem(`its dtype is ${dtype}, its data is a ${data.constructor.name}`)
  if (!shape.every(extent => Number.isSafeInteger(extent) && extent >= 0)) {
    problem(`its shape is [${shape.join(', ')}]`)
  }
  const count = shape.reduce((product, extent) => product * extent, 1)
  if (count !== data.length)
    problem(`shape [${shape.join(', ')}] has ${count} values, its data ${data.length}`)
  if (dtype === 'bool' && data.some(value => value !== 0 && value !== 1)) {
    problem('a bool is neither 0 nor 1')
  }
  if (name === '__metadata__') problem('the format reserves this name')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * A state as the bytes of a safetensors file. Equal states give equal bytes, whatever the order of the map:
 * tensors are ordered by element size, largest first (so that every one is aligned), then by name.
 *
 * @param metadata - strings for readers of the file; keys are sorted
 * @throws MoietyError `usage` if a tensor's data does not fit its dtype and shape
 */
export function encodeSafetensors(
  state: State,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(state, metadata)
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0))
  let place = 0
  for (const part of parts) {
    bytes.set(part, place)
    place += part.length
  }
  return bytes
}

/**
 * The same bytes one after another: the header, then each tensor's, which are the tensor's own memory and no copy of it.
 *
 * @throws MoietyError as {@link encodeSafetensors}
 */
export function safetensorsParts(
  state: State,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const tensors = [...state].sort(
    ([a, x], [b, y]) => written[y.dtype].bytes - written[x.dtype].bytes || compare(a, b),
  )
  const entries: string[] = []
  const keys = Object.keys(metadata).sort(compare)
  if (keys.length > 0) {
    const members = keys.map(key => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
    entries.push(`"__metadata__":{${members.join(',')}}`)
  }
  let end = 0
  for (const [name, tensor] of tensors) {
    checkTensor(name, tensor)
    const begin = end
    end += tensor.data.byteLength
    entries.push(
      `${JSON.stringify(name)}:{"dtype":"${written[tensor.dtype].name}","shape":[${tensor.shape.join(',')}],` +
        `"data_offsets":[${begin},${end}]}`,
    )
  }
  const text = new TextEncoder().encode(`{${entries.join(',')}}`)
  const headerLength = Math.ceil(text.length / 8) * 8
  if (headerLength > largestHeader) {
    fail({ kind: 'usage', message: `${tensors.length} tensors need a header of more than 100 MB` })
  }

  const header = new Uint8Array(8 + headerLength)
  new DataView(header.buffer).setBigUint64(0, BigInt(headerLength), true)
  header.fill(0x20, 8)
  header.set(text, 8)
  return [
    header,
    ...tensors.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ]
}

/** One entry of the header, checked in itself. */
interface Entry {
  readonly name: string
  readonly reading: Reading
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

function readEntry(reader: JsonReader, name: string): Entry {
  const label = `tensor ${quoted(name)}`
  let dtype: string | undefined
  let shape: number[] | undefined
  let offsets: number[] | undefined
  const numbers = (what: string, most: number): number[] => {
    const values: number[] = []
    reader.array(what, () => {
      if (values.length === most) reader.refuse(`${what} has more than ${most} numbers`)
      values.push(reader.wholeNumber(`${what}[${values.length}]`))
    })
    return values
  }
  reader.object(label, key => {
    if (key === 'dtype') dtype = reader.string(`the dtype of ${label}`)
    else if (key === 'shape') shape = numbers(`the shape of ${label}`, largestRank)
    else if (key === 'data_offsets') offsets = numbers(`data_offsets of ${label}`, 2)
    else reader.refuse(`${label} has an unknown key ${quoted(key)}`)
  })
  if (dtype === undefined || shape === undefined || offsets === undefined) {
    return reader.refuse(`${label} must have dtype, shape and data_offsets`)
  }
  const reading = readings.get(dtype)
  if (reading === undefined) {
    return reader.refuse(
      `${label} has the dtype ${quoted(dtype)}; read are ${[...readings.keys()].join(', ')}`,
    )
  }
  const [begin, end] = offsets
  if (begin === undefined || end === undefined || end < begin) {
    return reader.refuse(`data_offsets of ${label} must be [begin, end] with begin <= end, not [${offsets}]`)
  }
  let bytes = reading.bytes
  for (const extent of shape) {
    bytes *= extent
    if (!Number.isSafeInteger(bytes)) reader.refuse(`the shape of ${label} has more than 2^53 - 1 bytes`)
  }
  if (bytes !== end - begin) {
    reader.refuse(
      `${label} of shape [${shape}] as ${dtype} has ${bytes} bytes, data_offsets give ${end - begin}`,
    )
  }
  return { name, reading, shape, begin, end }
}

/** The tensors must fill the data exactly: no gap, no overlap, nothing after the last one. */
function checkPlaces(reader: JsonReader, entries: readonly Entry[], dataLength: number): void {
  let place = 0
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== place) {
      const what = begin < place ? 'overlaps the tensor before it' : 'leaves a gap before it'
      reader.refuse(`tensor ${quoted(name)} ${what}: it begins at ${begin}, expected ${place}`)
    }
    if (end > dataLength) {
      reader.refuse(`tensor ${quoted(name)} ends at ${end}, but the file holds ${dataLength} bytes of data`)
    }
    place = end
  }
  if (place !== dataLength) reader.refuse(`${dataLength - place} bytes follow the last tensor`)
}

/** The content of a safetensors file. */
export interface Safetensors {
  /** In the order of the file's header. */
  readonly tensors: Map<string, HostTensor>
  /** A null-prototype object, so that a key such as `__proto__` is an ordinary key. */
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Reads the bytes of a safetensors file, which may be untrusted. Everything that the format requires is
 * checked before the first tensor is allocated; the tensors are copies, and memory beyond the bytes given stays
 * below twice the data (16-bit floats become 32-bit ones, I32 becomes int64) plus 32 times the header.
 *
 * @param source - the file's name, for messages
 * @throws MoietyError `data` that names the tensor and what is wrong
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const refuse = (message: string, where: string): never =>
    fail({
      kind: 'data',
      message: `${source}: ${message}`,
      where: `${source}, ${where}`,
      help: 'the file is damaged or not a safetensors file; fetch or write it again',
    })
  if (bytes.length < 8) refuse(`the file has ${bytes.length} bytes, a header needs at least 8`, 'byte 0')
  const announced = viewOf(bytes).getBigUint64(0, true)
  if (announced > BigInt(largestHeader)) {
    refuse(`the header's length is ${announced}, at most ${largestHeader} bytes are read`, 'byte 0')
  }
  const headerLength = Number(announced)
  if (headerLength > bytes.length - 8) {
    refuse(
      `the header's length is ${headerLength}, the file has ${bytes.length - 8} bytes after it`,
      'byte 0',
    )
  }
  let text = ''
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(8, 8 + headerLength),
    )
  } catch {
    refuse('the header is not UTF-8', 'byte 8')
  }

  const reader = new JsonReader(text, `${source}, header`)
  const entries: Entry[] = []
  const metadata: Record<string, string> = Object.create(null)
  reader.object('the header', name => {
    if (name !== '__metadata__') entries.push(readEntry(reader, name))
    else
      reader.object('__metadata__', key => {
        metadata[key] = reader.string(`__metadata__ ${quoted(key)}`)
      })
  })
  reader.end()
  const data = bytes.subarray(8 + headerLength)
  checkPlaces(reader, entries, data.length)

  const tensors = new Map<string, HostTensor>()
  for (const { name, reading, shape, begin, end } of entries) {
    const values = reading.read(data.subarray(begin, end), (index, problem) =>
      refuse(
        `value ${index} of the tensor ${quoted(name)} ${problem}`,
        `byte ${8 + headerLength + begin + index * reading.bytes}`,
      ),
    )
    tensors.set(name, { dtype: reading.dtype, shape, data: values })
  }
  return { tensors, metadata }
}
