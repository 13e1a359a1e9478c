import { createRequire } from 'node:module'
import { join } from 'node:path'
import { engineFolder, engineVersion } from '../onnxruntime.ts'
import { functions, tableVersion } from './functions.ts'

/** Systems on which calls into the library were tried; elsewhere the Node binding is used. */
const triedOn: readonly string[] = ['linux-x64']

/** What a C function is given: an address, a number, a text that it copies, or memory that it uses until it returns. */
export type NativeArgument = bigint | number | string | null | ArrayBufferView

/** A C function; a result that is a pointer is null or an address. */
type NativeFunction = (...given: NativeArgument[]) => bigint | number | string | null

/** What Moiety uses of koffi: of its package for one system, which has neither an install script nor dependencies. */
export interface Koffi {
  readonly version: string
  load(path: string | null): {
    func(name: string, result: string, takes: readonly string[]): NativeFunction
  }
  proto(result: string, takes: readonly string[]): object
  decode(address: bigint, offset: number, type: string): bigint | null
  decode(address: bigint, type: object): NativeFunction
  address(memory: ArrayBufferView): bigint
  config(settings: { readonly sync_stack_size: number }): unknown
}

/** The version of koffi that is called; `optionalDependencies` has it. */
export const koffiVersion = '3.3.4'

export type FunctionName = keyof typeof functions

/** ONNX Runtime's library: its functions, and the one of C that copies memory. */
export interface OrtLibrary {
  readonly functions: Readonly<Record<FunctionName, NativeFunction>>
  /** The address of memory that is not on V8's heap, and so stays where it is. */
  readonly addressOf: (memory: ArrayBufferView) => bigint
  readonly copy: (to: ArrayBufferView, from: bigint, bytes: number) => void
}

/** Where the library is looked for; tests give others. */
export interface LibrarySearch {
  readonly system?: string
  /** @throws where koffi is not installed */
  readonly koffi?: (name: string) => Koffi
  /** The library's file. */
  readonly file?: string
}

const require = createRequire(import.meta.url)

/** ONNX Runtime calls itself at great depth when it optimises a large program; koffi's own stack for that has 2 MB. */
const stackBytes = 8 * 2 ** 20

/** `RTLD_NOW | RTLD_NODELETE` of glibc. */
const keepLoaded = 0x1002

/**
 * Opens ONNX Runtime's library, the same file that onnxruntime-node loads, and takes its functions.
 *
 * @returns the library, or why it is not called here
 */
export function openLibrary({
  system = `${process.platform}-${process.arch}`,
  koffi: find = name => require(name),
  file = join(engineFolder(), 'bin', 'napi-v6', process.platform, process.arch, 'libonnxruntime.so.1'),
}: LibrarySearch = {}): OrtLibrary | { readonly reason: string } {
  if (!triedOn.includes(system))
    return { reason: `it was tried on ${triedOn.join(', ')} only, not ${system}` }
  const name = `@koromix/koffi-${system}`
  let koffi: Koffi
  try {
    koffi = find(name)
  } catch {
    return { reason: `${name}@${koffiVersion} is not installed` }
  }
  if (koffi.version !== koffiVersion)
    return { reason: `expected ${name} ${koffiVersion}, found ${koffi.version}` }
  try {
    return opened(koffi, file)
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) }
  }
}

/** koffi's settings cannot be changed once a thread has loaded a library. */
const configured = new WeakSet<Koffi>()

function opened(koffi: Koffi, file: string): OrtLibrary | { readonly reason: string } {
  if (!configured.has(koffi)) koffi.config({ sync_stack_size: stackBytes })
  configured.add(koffi)
  // When a thread of Node ends, koffi closes what it has opened there, but threads of the library may still run its code.
  const system = koffi.load(null)
  if (system.func('dlopen', 'void *', ['str', 'int'])(file, keepLoaded) === null)
    return { reason: `${file} cannot be loaded` }
  const base = koffi.load(file).func('OrtGetApiBase', 'void *', [])()
  if (typeof base !== 'bigint') return { reason: `${file} gives no table of functions` }
  const pointer = (table: bigint, place: number): bigint => koffi.decode(table, 8 * place, 'void *') ?? 0n
  const taken = (address: bigint, result: string, takes: readonly string[]): NativeFunction =>
    koffi.decode(address, koffi.proto(result, takes))
  const version = taken(pointer(base, 1), 'str', [])()
  if (version !== engineVersion)
    return { reason: `expected ONNX Runtime ${engineVersion}, found ${String(version)} in ${file}` }
  const table = taken(pointer(base, 0), 'void *', ['uint32_t'])(tableVersion)
  if (typeof table !== 'bigint')
    return { reason: `ONNX Runtime ${version} has no table of functions of version ${tableVersion}` }
  const copy = system.func('memcpy', 'void *', ['void *', 'void *', 'size_t'])
  return {
    functions: Object.fromEntries(
      Object.entries(functions).map(([name, { place, result, takes }]) => [
        name,
        taken(pointer(table, place), result, takes),
      ]),
    ) as Record<FunctionName, NativeFunction>,
    // Asking for the buffer moves the values of a small array off the heap.
    addressOf: memory => (memory.buffer.byteLength === 0 ? 0n : koffi.address(memory)),
    copy: (to, from, bytes) => void copy(to, from, bytes),
  }
}
