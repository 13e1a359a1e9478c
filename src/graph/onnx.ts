import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import type { Dim } from './dims.ts'
import type { NodeSemantics } from './node-semantics.ts'

/**
 * The ONNX file format, the subset that Moiety writes: protocol-buffer messages with the field numbers of
 * onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto).
 */

/** Operator set of the default domain that every graph is written for. */
export const opset = 18

/** Version of the file format that goes with it. */
export const irVersion = 8

/** TensorProto.DataType. */
export const onnxTypes = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 } as const

export type OnnxDType = keyof typeof onnxTypes

/** The value of an attribute of an ONNX node; a float32 is marked, since JavaScript has one number type. */
export type OnnxAttribute = number | string | readonly number[] | { readonly float: number }

export interface OnnxNode {
  readonly op: string
  /** Empty for the default domain. */
  readonly domain?: string
  readonly name: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Numbers are written as integers unless wrapped as `{ float }`. */
  readonly attributes: Readonly<Record<string, OnnxAttribute>>
  /** Not part of the file. */
  readonly semantics?: NodeSemantics
}

export interface OnnxTensor {
  readonly name: string
  readonly dtype: OnnxDType
  readonly shape: readonly number[]
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array
}

export interface OnnxValue {
  readonly name: string
  readonly dtype: OnnxDType
  readonly shape: readonly Dim[]
}

export interface OnnxModel {
  readonly name: string
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** Declared types of intermediate values. */
  readonly values?: readonly OnnxValue[]
  /** Known shapes by value name. Not written to the file. */
  readonly shapes?: ReadonlyMap<string, readonly Dim[]>
  /** Extra operator sets: domain to version. */
  readonly domains?: Readonly<Record<string, number>>
  readonly metadata?: Readonly<Record<string, string>>
}

type Message = (writer: BinaryWriter) => void

/** The bytes of an ONNX file. */
export function encodeOnnx(model: OnnxModel): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.Varint).int64(irVersion)
  text(writer, 2, 'moiety')
  message(writer, 7, graph => {
    for (const node of model.nodes) message(graph, 1, encodeNode(node))
    text(graph, 2, model.name)
    for (const tensor of model.initializers) message(graph, 5, encodeTensor(tensor))
    for (const value of model.inputs) message(graph, 11, encodeValue(value))
    for (const value of model.outputs) message(graph, 12, encodeValue(value))
    for (const value of model.values ?? []) message(graph, 13, encodeValue(value))
  })
  for (const [domain, version] of [['', opset] as const, ...Object.entries(model.domains ?? {})]) {
    message(writer, 8, set => {
      if (domain !== '') text(set, 1, domain)
      set.tag(2, WireType.Varint).int64(version)
    })
  }
  for (const [key, value] of Object.entries(model.metadata ?? {})) {
    message(writer, 14, entry => {
      text(entry, 1, key)
      text(entry, 2, value)
    })
  }
  return writer.finish()
}

function encodeNode(node: OnnxNode): Message {
  return writer => {
    for (const name of node.inputs) text(writer, 1, name)
    for (const name of node.outputs) text(writer, 2, name)
    text(writer, 3, node.name)
    text(writer, 4, node.op)
    for (const [name, value] of Object.entries(node.attributes))
      message(writer, 5, encodeAttribute(name, value))
    if (node.domain !== undefined) text(writer, 7, node.domain)
  }
}

/** AttributeProto: f = 2, i = 3, s = 4, ints = 8, type = 20 (FLOAT 1, INT 2, STRING 3, INTS 7). */
function encodeAttribute(name: string, value: OnnxAttribute): Message {
  return writer => {
    text(writer, 1, name)
    const type = (code: number): BinaryWriter => writer.tag(20, WireType.Varint).int32(code)
    if (typeof value === 'number') {
      writer.tag(3, WireType.Varint).int64(value)
      type(2)
    } else if (typeof value === 'string') {
      text(writer, 4, value)
      type(3)
    } else if ('float' in value) {
      writer.tag(2, WireType.Bit32).float(value.float)
      type(1)
    } else {
      for (const item of value) writer.tag(8, WireType.Varint).int64(item)
      type(7)
    }
  }
}

function encodeTensor(tensor: OnnxTensor): Message {
  return writer => {
    for (const extent of tensor.shape) writer.tag(1, WireType.Varint).int64(extent)
    writer.tag(2, WireType.Varint).int32(onnxTypes[tensor.dtype])
    text(writer, 8, tensor.name)
    writer.tag(9, WireType.LengthDelimited).bytes(tensor.bytes)
  }
}

/** ValueInfoProto → TypeProto → TypeProto.Tensor → TensorShapeProto.Dimension. */
function encodeValue(value: OnnxValue): Message {
  return writer => {
    text(writer, 1, value.name)
    message(writer, 2, type =>
      message(type, 1, tensor => {
        tensor.tag(1, WireType.Varint).int32(onnxTypes[value.dtype])
        message(tensor, 2, shape => {
          for (const dim of value.shape) {
            message(shape, 1, entry => {
              if (typeof dim === 'number') entry.tag(1, WireType.Varint).int64(dim)
              else text(entry, 2, dim)
            })
          }
        })
      }),
    )
  }
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value)
}

function message(writer: BinaryWriter, field: number, body: Message): void {
  writer.tag(field, WireType.LengthDelimited).fork()
  body(writer)
  writer.join()
}
