import type { Dim } from '../graph/dims.ts'
import {
  encodeOnnx,
  type OnnxDType,
  type OnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxTypes,
} from '../graph/onnx.ts'
import type { Program } from '../graph/program.ts'
import { floatOf } from './blocking.ts'

/**
 * The same model without the ops that ONNX Runtime's WebGPU provider does not have: each is replaced by ops it has. Done to a program
 * when its session is created, never in a file; on the processor the blocked layout finds these ops by their names.
 *
 * Some of them would be refused: `BatchNormalization` with the statistics of the batch, and `MaxPool` with the positions of its
 * maxima. The others would run on the processor, for which the device's values are copied there and the step waits.
 *
 * Nor does it compute ops of no images, which experts have in sparse dispatch. There an expert without images gets the first one
 * (`NonZero` gives at least one position): its weight is 0, so it changes no value and no gradient, and what counts the expert's images
 * still counts none, so BatchNorm keeps its running statistics.
 */
export function withPlainOps(model: OnnxModel): OnnxModel {
  const emit = new Emitter(model)
  for (const node of model.nodes) {
    emit.begin(node)
    const write = replacements[node.op]
    if (write === undefined || !write(emit, node)) emit.write(node)
  }
  for (const { name } of model.outputs) emit.writeDeferred(name)
  return { ...model, nodes: emit.nodes, initializers: [...model.initializers, ...emit.constants.values()] }
}

/** The ONNX model of a program for ONNX Runtime's WebGPU provider, without the ops that it does not have. */
export function plainModel({ model, graph }: Program): Uint8Array {
  return graph === undefined ? model : encodeOnnx(withPlainOps(graph))
}

/** Writes other nodes for one; false where it can stay. */
type Replacement = (emit: Emitter, node: OnnxNode) => boolean

const replacements: Readonly<Record<string, Replacement>> = {
  BatchNormalization: (emit, node) => {
    if (node.attributes.training_mode !== 1) return false
    batchNorm(emit, node)
    return true
  },
  MaxPool: (emit, node) => {
    if (node.outputs.length < 2) return false
    maxPool(emit, node)
    return true
  },
  /** Input channels by threes: see `inFours`. */
  Conv: (emit, node) => {
    const { semantics } = node
    if (semantics?.kind !== 'convolution') return false
    const { inputs } = semantics.channels
    if (inputs === 3 || inputs % 3 !== 0 || inputs % 4 === 0) return false
    inFours(emit, node, inputs)
    return true
  },
  NonZero: (emit, { inputs, outputs, semantics }) => {
    if (semantics?.kind !== 'weightedRows') return false
    const positions = emit.node('NonZero', inputs)
    const count = emit.node('Gather', [emit.node('Shape', [positions]), emit.int(1)])
    const isFilled = emit.node('Min', [count, emit.int(1)])
    const lacking = emit.node('Reshape', [emit.node('Sub', [emit.int(1), isFilled]), emit.ints(1)])
    const pads = emit.node('Concat', [emit.ints(0, 0, 0), lacking], { axis: 0 })
    emit.node('Pad', [positions, pads, emit.int(0)], {}, outputs[0])
    emit.counts.found(outputs[0]!, isFilled)
    return true
  },
  Squeeze: (emit, node) => {
    emit.counts.squeezed(node.inputs[0]!, node.outputs[0]!)
    return defersPositions(emit, node)
  },
  Unsqueeze: (emit, node) => columnOfPositions(emit, node) || defersPositions(emit, node),
  Reshape: defersPositions,
  Expand: defersPositions,
  Slice: defersPositions,
  Transpose: defersPositions,
  Shape: (emit, { inputs, outputs }) => {
    emit.counts.shaped(inputs[0]!, outputs[0]!)
    return false
  },
  Gather: (emit, { inputs, outputs }) => {
    emit.counts.picked(inputs[0]!, emit.intsOf(inputs[1]!), outputs[0]!)
    return false
  },
  ReduceProd: (emit, { inputs, outputs }) => {
    emit.counts.multiplied(inputs[0]!, outputs[0]!)
    return false
  },
  TopK: (emit, node) => {
    emit.positions.found(node)
    return false
  },
  Equal: comparesIntegers,
  Less: comparesIntegers,
  Sign: (emit, { inputs, outputs }) => {
    const is = (op: string): string =>
      emit.node('Cast', [emit.node(op, [inputs[0]!, emit.float(0)])], { to: onnxTypes.float32 })
    emit.node('Sub', [is('Greater'), is('Less')], {}, outputs[0])
    return true
  },
  Cast: (emit, node) => {
    const { inputs, outputs, attributes } = node
    if (attributes.to !== onnxTypes.float32) return countsOnlyOwn(emit, node)
    return positionsAsFloat(emit, inputs[0]!, outputs[0]) !== undefined || countsOnlyOwn(emit, node)
  },
  Greater: (emit, node) => comparesPositions(emit, node) || countsOnlyOwn(emit, node),
  /** The processor would count the elements of a copy. */
  Size: (emit, { inputs, outputs }) => {
    emit.counts.shaped(inputs[0]!, outputs[0]!)
    emit.node('ReduceProd', [emit.node('Shape', inputs)], { keepdims: 0 }, outputs[0])
    return true
  },
  LogSoftmax: (emit, { inputs, outputs, attributes }) => {
    const axis = emit.ints(Number(attributes.axis ?? -1))
    const shifted = emit.node('Sub', [inputs[0]!, emit.node('ReduceMax', [inputs[0]!, axis])])
    const sum = emit.node('ReduceSum', [emit.node('Exp', [shifted]), axis])
    emit.node('Sub', [shifted, emit.node('Log', [sum])], {}, outputs[0])
    return true
  },
  /** Only what is not a number is neither at most nor at least 0. */
  IsNaN: (emit, { inputs, outputs }) => {
    const isEither = (op: string): string => emit.node('Not', [emit.node(op, [inputs[0]!, emit.float(0)])])
    emit.node('And', [isEither('LessOrEqual'), isEither('GreaterOrEqual')], {}, outputs[0])
    return true
  },
  IsInf: (emit, { inputs, outputs }) => {
    emit.node('Greater', [emit.node('Abs', [inputs[0]!]), emit.float(largest)], {}, outputs[0])
    return true
  },
  Or: (emit, { inputs, outputs }) => {
    const neither = emit.node(
      'And',
      inputs.map(name => emit.node('Not', [name])),
    )
    emit.node('Not', [neither], {}, outputs[0])
    return true
  },
}

/**
 * WebGPU compares no int64, and does not convert it either. Positions that the device has found (`TopK`) are read from a table of
 * float32, which has each of them exactly; other integers, such as classes, the host has, and converts to int32.
 */
function comparesIntegers(emit: Emitter, node: OnnxNode): boolean {
  if (comparesPositions(emit, node)) return true
  const numbers = node.inputs.map(name => emit.intsOf(name))
  if (numbers.every(known => known === undefined)) return false
  const inputs = node.inputs.map((name, i) => {
    const known = numbers[i]
    return known === undefined
      ? emit.node('Cast', [name], { to: onnxTypes.int32 })
      : emit.constant('int32', emit.shapeOf(name)!, Int32Array.from(known))
  })
  emit.node(node.op, inputs, node.attributes, node.outputs[0])
  return true
}

/** A comparison with positions that the device has found; false where there are none. */
function comparesPositions(emit: Emitter, { op, inputs, outputs, attributes }: OnnxNode): boolean {
  if (!inputs.some(name => emit.positions.has(name))) return false
  const asFloats = inputs.map(name => {
    const known = emit.intsOf(name)
    if (known !== undefined) return emit.constant('float32', emit.shapeOf(name)!, Float32Array.from(known))
    return positionsAsFloat(emit, name) ?? emit.node('Cast', [name], { to: onnxTypes.float32 })
  })
  emit.node(op, asFloats, attributes, outputs[0])
  return true
}

/** Positions that the device has found, as float32; undefined where a value is none. */
function positionsAsFloat(emit: Emitter, name: string, output?: string): string | undefined {
  const extent = emit.positions.extentOf(name)
  if (extent !== undefined) {
    const table = emit.constant(
      'float32',
      [extent],
      Float32Array.from({ length: extent }, (_, i) => i),
    )
    return emit.node('Gather', [table, name], { axis: 0 }, output)
  }
  const rearranging = emit.positions.rearranging(name)
  if (rearranging === undefined) return undefined
  const { op, inputs, attributes } = rearranging
  const [positions, ...others] = inputs
  return emit.node(op, [positionsAsFloat(emit, positions!)!, ...others], attributes, output)
}

/** Positions [k] as [k, 1], the form in which rows are added at them: those of a column instead of a row. */
function columnOfPositions(emit: Emitter, { inputs, outputs }: OnnxNode): boolean {
  const [positions, axes] = inputs
  const row = emit.positions.rowOf(positions!)
  if (row === undefined || emit.intsOf(axes!)?.join() !== '1') return false
  const column = emit.node('Reshape', [row.inputs[0]!, emit.ints(-1, 1)])
  emit.writeNode('TopK', [column, row.inputs[1]!], { ...row.attributes, axis: 0 }, [
    `${outputs[0]} values`,
    outputs[0]!,
  ])
  return true
}

/** WebGPU does not rearrange int64 either: positions are rearranged where they are needed, as float32 if they can be. */
function defersPositions(emit: Emitter, node: OnnxNode): boolean {
  if (!emit.positions.has(node.inputs[0]!)) return false
  emit.positions.defer(node)
  return true
}

/**
 * A convolution with channels of zeros added up to a multiple of 4. ONNX Runtime 1.30 computes wrong numbers where the input channels
 * are 6, 9, 15, 18, … and the kernel is larger than 1 × 1 (microsoft/onnxruntime#29651): it reads them by threes there.
 */
function inFours(emit: Emitter, { op, inputs, outputs, attributes }: OnnxNode, channels: number): void {
  const pads = emit.ints(0, 0, 0, 0, 0, 4 - (channels % 4), 0, 0)
  const [x, kernel, ...bias] = inputs
  const padded = [x!, kernel!].map(name => emit.node('Pad', [name, pads]))
  emit.node(op, [...padded, ...bias], attributes, outputs[0])
}

/** What is computed with a number of elements, as opposed to a shape: without the image that is not the expert's own. */
function countsOnlyOwn(emit: Emitter, node: OnnxNode): boolean {
  const [count = '', ...others] = node.inputs
  const filled = emit.counts.filledIn(count)
  if (filled.length === 0) return false
  const own = filled.reduce((product, isFilled) => emit.node('Mul', [product, isFilled]), count)
  emit.node(node.op, [own, ...others], node.attributes, node.outputs[0])
  return true
}

/** Which values of a program are extents, or products of them, and which of the extents are numbers of images that an expert gets. */
class Counts {
  /** By the name of such an extent: the value that is 1 where it is positive and 0 where it is not. */
  readonly #filled = new Map<string, string>()
  readonly #found = new Map<string, string>()
  readonly #extents = new Map<string, readonly Dim[]>()
  readonly #shapes: ReadonlyMap<string, readonly Dim[]>

  constructor(shapes: ReadonlyMap<string, readonly Dim[]>) {
    this.#shapes = shapes
  }

  found(positions: string, isFilled: string): void {
    this.#found.set(positions, isFilled)
  }

  squeezed(positions: string, output: string): void {
    const isFilled = this.#found.get(positions)
    const [extent] = this.#shapes.get(output) ?? []
    if (isFilled !== undefined && typeof extent === 'string') this.#filled.set(extent, isFilled)
  }

  shaped(value: string, output: string): void {
    const shape = this.#shapes.get(value)
    if (shape !== undefined) this.#extents.set(output, shape)
  }

  picked(extents: string, axes: readonly number[] | undefined, output: string): void {
    const shape = this.#extents.get(extents)
    if (shape !== undefined && axes !== undefined)
      this.#extents.set(
        output,
        axes.map(axis => shape.at(axis)!),
      )
  }

  multiplied(extents: string, output: string): void {
    this.picked(
      extents,
      this.#extents.get(extents)?.map((_, axis) => axis),
      output,
    )
  }

  filledIn(count: string): string[] {
    return (this.#extents.get(count) ?? []).flatMap(extent => this.#filled.get(String(extent)) ?? [])
  }
}

/** Which values of a program are positions along an axis of known extent that the device has found, rearranged or not. */
class Positions {
  readonly #extents = new Map<string, number>()
  readonly #rows = new Map<string, OnnxNode>()
  /** What makes other positions of them, not written yet. */
  readonly #deferred = new Map<string, OnnxNode>()
  readonly #shapes: ReadonlyMap<string, readonly Dim[]>

  constructor(shapes: ReadonlyMap<string, readonly Dim[]>) {
    this.#shapes = shapes
  }

  found(topK: OnnxNode): void {
    const [positions, shape = []] = [topK.outputs[1]!, this.#shapes.get(topK.inputs[0]!)]
    const extent = shape.at(-1)
    if (typeof extent !== 'number') return
    this.#extents.set(positions, extent)
    if (shape.length === 1) this.#rows.set(positions, topK)
  }

  /** What has found positions in a single row. */
  rowOf(positions: string): OnnxNode | undefined {
    return this.#rows.get(positions)
  }

  defer(node: OnnxNode): void {
    this.#deferred.set(node.outputs[0]!, node)
  }

  has(name: string): boolean {
    return this.#extents.has(name) || this.#deferred.has(name)
  }

  extentOf(name: string): number | undefined {
    return this.#extents.get(name)
  }

  rearranging(name: string): OnnxNode | undefined {
    return this.#deferred.get(name)
  }
}

/** The largest finite float32. */
const largest = (2 - 2 ** -23) * 2 ** 127

/** y = γ·(x − μ)/√(σ² + ε) + β. The outputs for the running statistics are μ and σ², so momentum is 0. */
function batchNorm(emit: Emitter, { inputs, outputs, attributes }: OnnxNode): void {
  const [x = '', scale = '', shift = ''] = inputs
  const [y, mean, variance] = outputs
  const over = emit.ints(0, 2, 3)
  const perChannel = (vector: string): string => emit.node('Reshape', [vector, emit.ints(-1, 1, 1)])
  const mu = emit.node('ReduceMean', [x, over], { keepdims: 0 }, mean)
  const centred = emit.node('Sub', [x, perChannel(mu)])
  const sigma2 = emit.node(
    'ReduceMean',
    [emit.node('Mul', [centred, centred]), over],
    { keepdims: 0 },
    variance,
  )
  const deviation = emit.node('Sqrt', [
    emit.node('Add', [sigma2, emit.float(floatOf(attributes.epsilon) ?? 1e-5)]),
  ])
  const factor = emit.node('Div', [scale, deviation])
  emit.node('Add', [emit.node('Mul', [centred, perChannel(factor)]), perChannel(shift)], {}, y)
}

/**
 * A maximum comes from the first tap, in row-major order, that has its value. Its position counts through the whole of x. It is int32,
 * as WebGPU has no int64.
 */
function maxPool(emit: Emitter, node: OnnxNode): void {
  const [x = ''] = node.inputs
  const [values = '', positions = ''] = node.outputs
  const [top, left, bottom, right] = intsOf(node, 'pads', 4, 0)
  const [U, V] = intsOf(node, 'kernel_shape', 2, 1)
  const [down, across] = intsOf(node, 'strides', 2, 1)
  const [, , H, W] = emit.extentsOf(x)
  const [, , I, J] = emit.extentsOf(values)
  emit.node('MaxPool', [x], node.attributes, values)
  const padded = emit.node('Pad', [
    x,
    emit.ints(0, 0, top!, left!, 0, 0, bottom!, right!),
    emit.float(Number.NEGATIVE_INFINITY),
  ])
  let inPlane: string | undefined
  for (let tap = U! * V! - 1; tap >= 0; tap--) {
    const [u, v] = [Math.floor(tap / V!), tap % V!]
    const seen = emit.node('Slice', [
      padded,
      emit.ints(u, v),
      emit.ints(u + (I - 1) * down! + 1, v + (J - 1) * across! + 1),
      emit.ints(2, 3),
      emit.ints(down!, across!),
    ])
    const place = (i: number, j: number): number =>
      within(i * down! - top! + u, H) * W + within(j * across! - left! + v, W)
    const table = Array.from({ length: I * J }, (_, at) => place(Math.floor(at / J), at % J))
    const places = emit.constant('int32', [1, 1, I, J], Int32Array.from(table))
    // The last tap is taken where no other one is: the maximum is not a number then, if it is not there.
    inPlane =
      inPlane === undefined
        ? places
        : emit.node('Where', [emit.node('Equal', [seen, values]), places, inPlane])
  }
  emit.node('Add', [inPlane!, planeOffsets(emit, x, H * W)], {}, positions)
}

/** [N, C, 1, 1] of int32: where each plane of x begins. */
function planeOffsets(emit: Emitter, x: string, area: number): string {
  const planes = emit.node('Slice', [emit.node('Shape', [x]), emit.ints(0), emit.ints(2)])
  const count = emit.node('ReduceProd', [planes], { keepdims: 0 })
  const numbers = emit.node('Range', [emit.int(0), count, emit.int(1)])
  const offsets = emit.node('Mul', [numbers, emit.int(area)])
  const shape = emit.node('Concat', [planes, emit.ints(1, 1)], { axis: 0 })
  return emit.node('Cast', [emit.node('Reshape', [offsets, shape])], { to: onnxTypes.int32 })
}

function within(place: number, extent: number): number {
  return Math.min(Math.max(place, 0), extent - 1)
}

function intsOf(
  { attributes }: OnnxNode,
  name: string,
  length: number,
  otherwise: number,
): readonly number[] {
  const found = attributes[name]
  return Array.isArray(found) ? found : new Array<number>(length).fill(otherwise)
}

/** Writes the nodes of a model again, and the constants that they need. */
class Emitter {
  readonly nodes: OnnxNode[] = []
  readonly constants = new Map<string, OnnxTensor>()
  readonly counts: Counts
  readonly positions: Positions
  readonly #shapes: ReadonlyMap<string, readonly Dim[]>
  readonly #given: ReadonlyMap<string, OnnxTensor>
  /** Deferred nodes that have been needed after all, by their output. */
  readonly #written = new Set<string>()
  #label = ''
  #count = 0

  constructor({ shapes = new Map(), initializers }: OnnxModel) {
    this.#shapes = shapes
    this.#given = new Map(initializers.map(tensor => [tensor.name, tensor]))
    this.counts = new Counts(shapes)
    this.positions = new Positions(shapes)
  }

  /** The numbers of an int64 constant of the model; undefined for anything else. */
  intsOf(name: string): number[] | undefined {
    const tensor = this.#given.get(name)
    if (tensor?.dtype !== 'int64') return undefined
    return Array.from(new BigInt64Array(tensor.bytes.slice().buffer), Number)
  }

  /** Sets the node that is rewritten next; its replacements are named after it. */
  begin({ name }: OnnxNode): void {
    this.#label = name
  }

  /** Adds a node and returns the name of its result. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
    output = `plain #${this.#count}`,
  ): string {
    this.writeNode(op, inputs, attributes, [output])
    return output
  }

  /** Adds a node with these outputs. */
  writeNode(
    op: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'],
    outputs: readonly string[],
  ): void {
    const name = `${this.#label} ${op} ${this.#count++}`
    this.write({ op, name, inputs, outputs, attributes })
  }

  /** Adds a node as it is. */
  write(node: OnnxNode): void {
    for (const name of node.inputs) this.writeDeferred(name)
    this.nodes.push(node)
  }

  /** Adds the node that makes these positions as int64, where that has been deferred. */
  writeDeferred(name: string): void {
    const node = this.positions.rearranging(name)
    if (node === undefined || this.#written.has(name)) return
    this.#written.add(name)
    this.write(node)
  }

  /** The shape of a constant of the model. */
  shapeOf(name: string): readonly number[] | undefined {
    return this.#given.get(name)?.shape
  }

  /** The shape of a value; extents that are known only when the program runs are NaN. */
  extentsOf(name: string): readonly [number, number, number, number] {
    const [n, c, h, w] = (this.#shapes.get(name) ?? []).map(dim =>
      typeof dim === 'number' ? dim : Number.NaN,
    )
    return [n ?? Number.NaN, c ?? Number.NaN, h ?? Number.NaN, w ?? Number.NaN]
  }

  constant(
    dtype: OnnxDType,
    shape: readonly number[],
    values: Float32Array | Int32Array | BigInt64Array,
  ): string {
    const name = `plain ${dtype} [${shape.join(' ')}] ${values.join(' ')}`
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    this.constants.set(name, { name, dtype, shape, bytes })
    return name
  }

  ints(...values: number[]): string {
    return this.constant('int64', [values.length], BigInt64Array.from(values, BigInt))
  }

  int(value: number): string {
    return this.constant('int64', [], BigInt64Array.of(BigInt(value)))
  }

  float(value: number): string {
    return this.constant('float32', [], Float32Array.of(value))
  }
}
