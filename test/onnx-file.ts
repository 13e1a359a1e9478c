import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** An ONNX file read back, by the field numbers of onnx.proto and none of the code that wrote it. */
export interface OnnxFile {
  readonly irVersion: number
  readonly opsets: readonly { readonly domain: string; readonly version: number }[]
  readonly nodes: readonly {
    readonly op: string
    readonly domain: string
    readonly name: string
    readonly inputs: readonly string[]
    readonly outputs: readonly string[]
  }[]
  readonly initializers: readonly {
    readonly name: string
    readonly bytes: number
    readonly external: boolean
  }[]
  readonly inputs: readonly OnnxValueInfo[]
  readonly outputs: readonly OnnxValueInfo[]
  readonly metadata: Readonly<Record<string, string>>
}

export interface OnnxValueInfo {
  readonly name: string
  readonly type: number
  readonly shape: readonly (number | string)[]
}

type Fields = ReadonlyMap<number, readonly (Uint8Array | number)[]>

function fields(message: Uint8Array): Fields {
  const reader = new BinaryReader(message)
  const found = new Map<number, (Uint8Array | number)[]>()
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    const values = found.get(field) ?? []
    found.set(field, values)
    if (type === WireType.LengthDelimited) values.push(reader.bytes())
    else if (type === WireType.Varint) values.push(Number(reader.int64()))
    else reader.skip(type, field)
  }
  return found
}

const messages = (of: Fields, field: number): Uint8Array[] =>
  (of.get(field) ?? []).filter(value => value instanceof Uint8Array)
const texts = (of: Fields, field: number): string[] =>
  messages(of, field).map(bytes => new TextDecoder().decode(bytes))
const text = (of: Fields, field: number): string => texts(of, field)[0] ?? ''
const number = (of: Fields, field: number): number => Number(of.get(field)?.[0] ?? 0)

export function readOnnx(bytes: Uint8Array): OnnxFile {
  const model = fields(bytes)
  const graph = fields(messages(model, 7)[0]!)
  return {
    irVersion: number(model, 1),
    opsets: messages(model, 8)
      .map(fields)
      .map(one => ({ domain: text(one, 1), version: number(one, 2) })),
    nodes: messages(graph, 1)
      .map(fields)
      .map(node => ({
        op: text(node, 4),
        domain: text(node, 7),
        name: text(node, 3),
        inputs: texts(node, 1),
        outputs: texts(node, 2),
      })),
    initializers: messages(graph, 5)
      .map(fields)
      .map(tensor => ({
        name: text(tensor, 8),
        bytes: messages(tensor, 9)[0]?.length ?? 0,
        external: tensor.has(13) || tensor.has(14),
      })),
    inputs: messages(graph, 11).map(valueInfo),
    outputs: messages(graph, 12).map(valueInfo),
    metadata: Object.fromEntries(
      messages(model, 14)
        .map(fields)
        .map(pair => [text(pair, 1), text(pair, 2)]),
    ),
  }
}

function valueInfo(bytes: Uint8Array): OnnxValueInfo {
  const value = fields(bytes)
  const tensor = fields(messages(fields(messages(value, 2)[0]!), 1)[0]!)
  const shape = messages(fields(messages(tensor, 2)[0] ?? new Uint8Array()), 1)
    .map(fields)
    .map(dim => (dim.has(2) ? text(dim, 2) : number(dim, 1)))
  return { name: text(value, 1), type: number(tensor, 1), shape }
}

/** What is wrong with a file, in words; nothing for one that any engine of the standard can be expected to take. */
export function problemsOf(file: OnnxFile): string[] {
  const problems: string[] = []
  if (file.opsets.length !== 1 || file.opsets[0]!.domain !== '') problems.push('other domains are imported')
  const known = new Set<string>()
  const define = (name: string, what: string): void => {
    if (name === '') problems.push(`${what} has no name`)
    if (known.has(name)) problems.push(`${what} "${name}" is defined twice`)
    known.add(name)
  }
  for (const { name } of file.inputs) define(name, 'input')
  for (const { name, external, bytes } of file.initializers) {
    define(name, 'initializer')
    if (external || bytes === 0) problems.push(`initializer "${name}" is not inside the file`)
  }
  const read = new Set<string>()
  const names = new Set<string>()
  for (const { op, domain, name, inputs, outputs } of file.nodes) {
    if (domain !== '') problems.push(`${op} is of the domain ${domain}`)
    if (name === '' || names.has(name)) problems.push(`the node name "${name}" is not unique`)
    names.add(name)
    for (const value of inputs) {
      if (value !== '' && !known.has(value)) problems.push(`${name} reads ${value} before it is there`)
      read.add(value)
    }
    for (const value of outputs) define(value, `output of ${name}`)
  }
  for (const { name } of file.outputs)
    if (!known.has(name)) problems.push(`nothing makes the output "${name}"`)
  for (const { name } of [...file.initializers, ...file.inputs])
    if (!read.has(name)) problems.push(`nothing reads "${name}"`)
  return problems
}
