import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { fail } from '../base/errors.ts'
import { decodeMetadata, type ModelMetadata } from './metadata.ts'

/**
 * Reads the metadata of an exported file. ONNX Runtime provides it in Python (`get_modelmeta()`), but neither in
 * Node nor in a browser, so it is read from the bytes: field 14 of onnx.proto's ModelProto, with key 1 and value 2. Works
 * in browsers too.
 *
 * @param model - the bytes of an ONNX file, which may be untrusted
 * @param source - the file's name, for messages
 * @throws MoietyError (data) for anything but a file written by `moiety export`
 */
export function readMetadata(model: Uint8Array, source = 'the file'): ModelMetadata {
  const pairs: Record<string, string> = Object.create(null)
  try {
    for (const entry of fieldsOf(model, 14)) {
      const [key] = fieldsOf(entry, 1)
      const [value] = fieldsOf(entry, 2)
      if (key !== undefined) pairs[decoder.decode(key)] = decoder.decode(value)
    }
  } catch (cause) {
    return fail({
      kind: 'data',
      message: `${source} is not an ONNX file, or is damaged`,
      where: source,
      help: 'pass a file written by moiety export',
      cause,
    })
  }
  return decodeMetadata(pairs, source)
}

const decoder = new TextDecoder()

/** The bytes of each occurrence of a field of a message, in order. */
function fieldsOf(message: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(message)
  const found: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag()
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes())
    else reader.skip(type, field)
  }
  return found
}
