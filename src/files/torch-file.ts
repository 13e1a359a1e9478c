/**
 * The files of `torch.save` (torch/serialization.py), read without Python and without executing anything in them: a ZIP archive with
 * `data.pkl` and one entry for each storage (since PyTorch 1.6), or a sequence of pickles followed by the storages.
 */
import { crc32, inflateRawSync } from 'node:zlib'
import { type Entry, fromBuffer, type ZipFile } from 'yauzl'
import { fail, MoietyError } from '../base/errors.ts'
import { shellWord } from '../base/escaping.ts'
import { type PickleContext, type PickleOptions, readPickle } from './pickle.ts'
import { viewOf } from './safetensors-elements.ts'
import { type TorchStorage, TorchType, torchGlobals } from './torch-tensors.ts'

/** How many times its compressed size a compressed entry may have; PyTorch compresses nothing. */
const largestExpansion = 100
/** Entries of an archive: one for each storage. */
const mostEntries = 100_000

/** The int 0x1950a86a20f9469cfc6c as a pickle writes it: the first value of files before PyTorch 1.6. */
const magic = Uint8Array.of(0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19)

/** Whether these bytes begin as a file of `torch.save` does. */
export function isTorchFile(bytes: Uint8Array): boolean {
  return isZip(bytes) || isLegacy(bytes)
}

const isZip = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'PK\x03\x04'
const isLegacy = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(0, 32)).includes(Buffer.from(magic))

/**
 * What `torch.save` was given: Maps for dicts, arrays for lists and tuples, `TorchTensor`s that are not read yet.
 *
 * @param source - the file's name, for messages
 * @throws MoietyError `data` for what is damaged, or more than tensors, numbers, texts and containers, with the line of Python
 *   that converts it
 */
export async function decodeTorchFile(bytes: Uint8Array, source: string): Promise<unknown> {
  return isZip(bytes) ? await readArchive(bytes, source) : readLegacy(bytes, source)
}

/** The command that makes a file of tensors alone of one that holds other objects. */
export function conversion(source: string): string {
  const quoted = (text: string): string => JSON.stringify(text)
  const python = [
    'import torch',
    `c = torch.load(${quoted(source)}, map_location="cpu", weights_only=False)`,
    'c = next((c[k] for k in ("state_dict", "model_state_dict", "model") if k in c), c) if isinstance(c, dict) else c',
    'c = c.state_dict() if hasattr(c, "state_dict") else c',
    `torch.save({k: v.clone() for k, v in c.items() if torch.is_tensor(v)}, ${quoted(`${source.replace(/\.\w+$/, '')}-tensors.pth`)})`,
  ].join('; ')
  return `if you trust the file, since this executes what is in it, convert it: python -c ${shellWord(python)}`
}

function refusal(source: string): (message: string) => never {
  return message =>
    fail({ kind: 'data', message: `${source}: ${message}`, where: source, help: conversion(source) })
}

function damage(source: string): (message: string, cause?: unknown) => never {
  return (message, cause) =>
    fail({
      kind: 'data',
      message: `${source}: ${message}`,
      where: source,
      help: 'the file is damaged or not of torch.save; fetch or write it again',
      cause,
    })
}

function pickleOptions(source: string, persistent?: PickleOptions['persistent']): PickleOptions {
  return {
    source,
    help: conversion(source),
    globals: torchGlobals,
    ...(persistent === undefined ? {} : { persistent }),
  }
}

/** The fields of a persistent id: ('storage', type, key, device, number of elements, view). */
function storageId(id: unknown, { refuse }: PickleContext) {
  const [kind, type, key, , length, view]: unknown[] = Array.isArray(id) ? id : []
  if (kind !== 'storage' || !(type instanceof TorchType) || typeof key !== 'string')
    return refuse('it refers to something that is not a storage')
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0)
    return refuse(`the storage ${key} has no number of elements`)
  const fields: unknown[] | undefined = Array.isArray(view) ? view : undefined
  return { type, key, length, view: fields }
}

const sizeOfStorage = (type: TorchType, length: number): number => length * (type.reading?.bytes ?? 1)

async function readArchive(bytes: Uint8Array, source: string): Promise<unknown> {
  const entries = await listEntries(bytes, source)
  const main = [...entries.keys()].filter(name => /^[^/]+\/data\.pkl$/.test(name))
  const [first] = main
  if (first === undefined || main.length > 1)
    return damage(source)('a ZIP archive, but not of torch.save: it has no single data.pkl')
  const root = first.slice(0, -'data.pkl'.length)
  if ([...entries.keys()].some(name => name.startsWith(`${root}code/`)))
    fail({
      kind: 'data',
      message: `${source}: a program of TorchScript, which is not executed`,
      where: source,
      help: `convert it: python -c ${shellWord(`import torch; torch.save(torch.jit.load(${JSON.stringify(source)}, map_location="cpu").state_dict(), ${JSON.stringify(`${source.replace(/\.\w+$/, '')}-tensors.pth`)})`)}`,
    })
  const order = entries.get(`${root}byteorder`)
  if (order !== undefined && Buffer.from(order()).toString('latin1').trim() !== 'little')
    refusal(source)('its numbers have their most significant byte first')
  const storages = new Map<string, TorchStorage>()
  const persistent: PickleOptions['persistent'] = (id, context) => {
    const { type, key, length } = storageId(id, context)
    const known = storages.get(key)
    if (known !== undefined)
      return known.type === type && known.length === length
        ? known
        : context.refuse(`the storage ${key} has two types or lengths`)
    const entry = entries.get(`${root}data/${key}`)
    if (entry === undefined) return context.refuse(`the storage ${key} is missing`)
    const size = sizeOfStorage(type, length)
    if (entry.size !== size)
      return context.refuse(
        `the storage ${key} of ${length} elements has ${size} bytes, the file ${entry.size}`,
      )
    const storage: TorchStorage = { type, length, bytes: entry }
    storages.set(key, storage)
    return storage
  }
  return readPickle(entries.get(first)!(), pickleOptions(source, persistent)).value
}

/** Reads an entry: a part of the file where it is stored uncompressed. */
interface StoredEntry {
  (): Uint8Array
  /** Bytes when read. */
  readonly size: number
}

/** The entries of an archive by their names; their contents are read when they are asked for. */
async function listEntries(bytes: Uint8Array, source: string): Promise<Map<string, StoredEntry>> {
  const refuse = damage(source)
  const zip = await new Promise<ZipFile>((resolve, reject) => {
    fromBuffer(
      Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      { lazyEntries: true },
      (error, file) => (error ? reject(error) : resolve(file)),
    )
  }).catch((cause: unknown) => refuse(`the ZIP archive cannot be read: ${reason(cause)}`, cause))
  if (zip.entryCount > mostEntries)
    refuse(`its archive has ${zip.entryCount} entries, at most ${mostEntries} are read`)
  const entries = new Map<string, StoredEntry>()
  const next = async (): Promise<Entry | undefined> =>
    await new Promise((resolve, reject) => {
      zip.removeAllListeners()
      zip
        .once('entry', resolve)
        .once('end', () => resolve(undefined))
        .once('error', reject)
      zip.readEntry()
    })
  try {
    for (let entry = await next(); entry !== undefined; entry = await next()) {
      if (entries.has(entry.fileName)) refuse(`its archive has two entries ${entry.fileName.slice(0, 200)}`)
      entries.set(entry.fileName, await openEntry(zip, entry, bytes, refuse))
    }
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    refuse(`the ZIP archive cannot be read: ${reason(cause)}`, cause)
  }
  return entries
}

async function openEntry(
  zip: ZipFile,
  entry: Entry,
  bytes: Uint8Array,
  refuse: (message: string) => never,
): Promise<StoredEntry> {
  const { fileName, compressionMethod, compressedSize, uncompressedSize } = entry
  const name = fileName.slice(0, 200)
  if (entry.isEncrypted()) refuse(`the entry ${name} is encrypted`)
  if (compressionMethod !== 0 && compressionMethod !== 8)
    refuse(`the entry ${name} is compressed by method ${compressionMethod}, which is not read`)
  if (uncompressedSize > largestExpansion * compressedSize + 1000)
    refuse(`the entry ${name} of ${compressedSize} bytes would become ${uncompressedSize}`)
  const from = await new Promise<number>((resolve, reject) => {
    zip.readLocalFileHeader(entry, { minimal: true }, (error, header) =>
      error ? reject(error) : resolve(header.fileDataStart),
    )
  })
  const stored = bytes.subarray(from, from + compressedSize)
  if (stored.length !== compressedSize || (compressionMethod === 0 && compressedSize !== uncompressedSize))
    refuse(`the entry ${name} does not fit in the file`)
  let read: Uint8Array | undefined
  return Object.assign(
    () => {
      read ??= checked(compressionMethod === 0 ? stored : inflated(stored, uncompressedSize))
      return read
    },
    { size: uncompressedSize },
  )

  function inflated(compressed: Uint8Array, size: number): Uint8Array {
    try {
      return inflateRawSync(compressed, { maxOutputLength: Math.max(size, 1) })
    } catch {
      return refuse(`the entry ${name} cannot be decompressed to ${size} bytes`)
    }
  }
  function checked(content: Uint8Array): Uint8Array {
    if (content.length !== uncompressedSize || crc32(content) !== entry.crc32)
      refuse(`the entry ${name} is damaged: its checksum does not fit`)
    return content
  }
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

function readLegacy(bytes: Uint8Array, source: string): unknown {
  const refuse = damage(source)
  let end = 0
  const pickle = (persistent?: PickleOptions['persistent']): unknown => {
    const read = readPickle(bytes, pickleOptions(source, persistent), end)
    end = read.end
    return read.value
  }
  // The magic number, which `isTorchFile` has seen, and the version of the format.
  pickle()
  const version = pickle()
  if (version !== 1001) refuse(`its format is ${String(version).slice(0, 40)}; 1001 is read`)
  const system = pickle()
  if (system instanceof Map && system.get('little_endian') === false)
    refusal(source)('its numbers have their most significant byte first')

  const contents = new Map<string, Uint8Array>()
  const storages = new Map<string, { readonly type: TorchType; readonly length: number }>()
  const value = pickle((id, context): TorchStorage => {
    const { type, key, length, view } = storageId(id, context)
    const whole = storages.get(key)
    if (whole !== undefined && (whole.type !== type || whole.length !== length))
      context.refuse(`the storage ${key} has two types or lengths`)
    storages.set(key, { type, length })
    const [, offset = 0, part = length] = view ?? []
    if (
      typeof offset !== 'number' ||
      typeof part !== 'number' ||
      offset < 0 ||
      part < 0 ||
      offset + part > length
    )
      return context.refuse(`a part of the storage ${key} is outside of it`)
    const size = sizeOfStorage(type, 1)
    const all = (): Uint8Array => contents.get(key) ?? refuse(`the storage ${key} is missing`)
    return { type, length: part, bytes: () => all().subarray(offset * size, (offset + part) * size) }
  })
  const keys = pickle()
  if (!Array.isArray(keys)) return refuse('the list of its storages is missing')
  for (const key of keys) {
    const storage = storages.get(String(key))
    if (storage === undefined)
      return refuse(`it has a storage ${String(key).slice(0, 40)} that no tensor has`)
    if (bytes.length - end < 8) return refuse('the file ends before its storages')
    const length = viewOf(bytes).getBigInt64(end, true)
    const size = sizeOfStorage(storage.type, storage.length)
    if (length !== BigInt(storage.length) || bytes.length - end - 8 < size)
      return refuse(`the storage ${String(key)} of ${storage.length} elements is not in the file`)
    contents.set(String(key), bytes.subarray(end + 8, end + 8 + size))
    end += 8 + size
  }
  return value
}
