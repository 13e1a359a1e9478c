/** Tensors in PyTorch's files: a part of a storage, with an offset and a stride for each extent (torch/_utils.py, `_rebuild_tensor_v2`). */
import type { HostTensor, TensorData } from '../base/tensor.ts'
import { type PickleContext, PickleFunction, PickleObject, pythonGlobals } from './pickle.ts'
import { numpyGlobals } from './pickle-numpy.ts'
import { type Reading, readings, viewOf } from './safetensors-elements.ts'

/** The element types that are read, by torch's names: integers of 8 to 32 bits become int64, floats float32. */
const elements: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ['float32', readings.get('F32')!],
  ['float64', readings.get('F64')!],
  ['float16', readings.get('F16')!],
  ['bfloat16', readings.get('BF16')!],
  ['int64', readings.get('I64')!],
  ['int32', readings.get('I32')!],
  [
    'int16',
    { bytes: 2, dtype: 'int64', read: bytes => integers(bytes, 2, (view, at) => view.getInt16(at, true)) },
  ],
  ['int8', { bytes: 1, dtype: 'int64', read: bytes => integers(bytes, 1, (view, at) => view.getInt8(at)) }],
  ['uint8', readings.get('U8')!],
  ['bool', readings.get('BOOL')!],
])

function integers(
  bytes: Uint8Array,
  size: number,
  get: (view: DataView, at: number) => number,
): BigInt64Array {
  const view = viewOf(bytes)
  return BigInt64Array.from({ length: bytes.length / size }, (_, i) => BigInt(get(view, i * size)))
}

/** A type of elements, as the file names it. */
export class TorchType {
  constructor(
    readonly name: string,
    /** Undefined for types that are not read, such as complex numbers. */
    readonly reading: Reading | undefined,
  ) {}
}

/** Memory that tensors are parts of; where it lies the container of the file knows. */
export interface TorchStorage {
  readonly type: TorchType
  /** Number of elements. */
  readonly length: number
  /** The bytes of all elements; their number is checked. @throws MoietyError `data` */
  bytes(): Uint8Array
}

/** A tensor that is not read yet. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly type: TorchType,
    /** In elements, as the strides. */
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}
}

/** Attributes of an object of a plain class; nothing reads them. */
class Attributes extends PickleObject {
  override setState(): void {}
}

const types = new Map(
  [...elements.keys(), 'complex64', 'complex128', 'uint16', 'uint32', 'uint64'].map(name => [
    name,
    new TorchType(name, elements.get(name)),
  ]),
)

const storageTypes = new Map(
  Object.entries({
    FloatStorage: 'float32',
    DoubleStorage: 'float64',
    HalfStorage: 'float16',
    BFloat16Storage: 'bfloat16',
    LongStorage: 'int64',
    IntStorage: 'int32',
    ShortStorage: 'int16',
    CharStorage: 'int8',
    ByteStorage: 'uint8',
    BoolStorage: 'bool',
    UntypedStorage: 'uint8',
  }).map(([storage, element]) => [storage, types.get(element)!]),
)

/** Elements that strides of 0 may make of one, and what they may make of any. */
const largestRepetition = 16
const mostRepeated = 1e6

/** As ONNX Runtime and the reader of safetensors. */
const largestRank = 64

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= largestRank &&
    value.every(count => Number.isSafeInteger(count) && count >= 0)
  )
}

function isStorage(value: unknown): value is TorchStorage {
  return typeof value === 'object' && value !== null && 'type' in value && value.type instanceof TorchType
}

/** A tensor within its storage; the places of all elements are checked here, and read later. */
function rebuilt(
  [storage, offset, shape, strides]: readonly unknown[],
  { refuse }: PickleContext,
  type?: unknown,
): TorchTensor {
  if (!isStorage(storage) || !isCounts(shape) || !isCounts(strides) || !isCounts([offset]))
    return refuse('a tensor in it has no storage, offset, shape and strides')
  const own = type instanceof TorchType ? type : storage.type
  const extents = `a tensor of shape [${shape.join(', ')}] and strides [${strides.join(', ')}]`
  if (strides.length !== shape.length) refuse(`${extents} has not one stride for each extent`)
  const size = own.reading?.bytes ?? 1
  const available = Math.floor((storage.length * (storage.type.reading?.bytes ?? 1)) / size)
  const last = shape.reduce((place, extent, axis) => place + (extent - 1) * strides[axis]!, Number(offset))
  if (!shape.includes(0) && !(last < available))
    refuse(
      `${extents} from element ${Number(offset)} on does not fit in its storage of ${available} elements`,
    )
  return new TorchTensor(storage, own, Number(offset), shape, strides)
}

const tensor = new PickleFunction((args, context) => rebuilt(args, context))
const typedTensor = new PickleFunction((args, context) => rebuilt(args, context, args[6]))
/** The first argument is the tensor: `_rebuild_parameter(data, requires_grad, backward_hooks)`. */
const first = new PickleFunction(([data], { refuse }) =>
  data instanceof TorchTensor ? data : refuse('a parameter in it is no tensor'),
)
/** `_rebuild_from_type_v2(function, type, args, state)`: a tensor with attributes of its own. */
const ofType = new PickleFunction(([build, , args], context) =>
  build instanceof PickleFunction && Array.isArray(args)
    ? build.call(args, context)
    : context.refuse('a tensor in it is made in a way that is not read'),
)
const plain = new PickleFunction(() => new Attributes())

/** All that a checkpoint of tensors, numbers, texts and containers names. */
export const torchGlobals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...pythonGlobals,
  ...numpyGlobals,
  ['collections.defaultdict', new PickleFunction(() => new Map())],
  ['collections.Counter', new PickleFunction(([items]) => new Map(items instanceof Map ? items : []))],
  ['argparse.Namespace', plain],
  ['torch.device', new PickleFunction(([name]) => name)],
  ['torch.Size', new PickleFunction(([extents]) => extents)],
  ['torch._utils._rebuild_tensor', tensor],
  ['torch._utils._rebuild_tensor_v2', tensor],
  ['torch._utils._rebuild_tensor_v3', typedTensor],
  ['torch._utils._rebuild_parameter', first],
  ['torch._utils._rebuild_parameter_with_state', first],
  ['torch._tensor._rebuild_from_type_v2', ofType],
  ['torch.Tensor', plain],
  ['torch._tensor.Tensor', plain],
  ['torch.nn.parameter.Parameter', first],
  ...[...types].map(([name, type]) => [`torch.${name}`, type] as const),
  ...[...storageTypes].flatMap(([name, type]) => [
    [`torch.${name}`, type] as const,
    [`torch.storage.${name}`, type] as const,
  ]),
])

/**
 * A tensor's values, row-major.
 *
 * @param refuse - called with what is wrong
 */
export function hostTensor(
  { storage, type, offset, shape, strides }: TorchTensor,
  refuse: (message: string) => never,
): HostTensor {
  const { reading } = type
  if (reading === undefined) return refuse(`is of the type ${type.name}, which is not read`)
  const read = (from: number, to: number): TensorData =>
    reading.read(storage.bytes().subarray(from * reading.bytes, to * reading.bytes), (index, problem) =>
      refuse(`has a value that ${problem} (element ${from + index} of its storage)`),
    )
  const { dtype } = reading
  const count = shape.reduce((product, extent) => product * extent, 1)
  if (count === 0) return { dtype, shape, data: read(0, 0) }
  // Strides of 0 repeat numbers, so that a small file could ask for all memory.
  if (count > largestRepetition * storage.length && count > mostRepeated)
    return refuse(`has ${count} elements made of a storage of ${storage.length}`)
  if (isContiguous(shape, strides)) return { dtype, shape, data: read(offset, offset + count) }
  const span = shape.reduce((total, extent, axis) => total + (extent - 1) * strides[axis]!, 1)
  const source = read(offset, offset + span)
  return { dtype, shape, data: gathered(source, count, shape, strides) }
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false
    expected *= shape[axis]!
  }
  return true
}

function gathered(
  source: TensorData,
  count: number,
  shape: readonly number[],
  strides: readonly number[],
): TensorData {
  const places = new Float64Array(count)
  const index = shape.map(() => 0)
  let place = 0
  for (let i = 0; i < count; i++) {
    places[i] = place
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis]!
      if (++index[axis]! < shape[axis]!) break
      place -= strides[axis]! * shape[axis]!
      index[axis] = 0
    }
  }
  if (source instanceof BigInt64Array) return BigInt64Array.from(places, at => source[at]!)
  const copy = source instanceof Float32Array ? new Float32Array(count) : new Uint8Array(count)
  for (let i = 0; i < count; i++) copy[i] = source[places[i]!]!
  return copy
}
