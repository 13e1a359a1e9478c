import { describe, expect, it } from 'vitest'
import { engineVersion } from '../onnxruntime.ts'
import { functions, tableVersion } from './functions.ts'
import { type Koffi, koffiVersion, type NativeArgument, openLibrary } from './library.ts'

type Native = (...given: NativeArgument[]) => bigint | string | null

/** Stands for koffi and for a library: a base of two functions, and a table where there is one of the version asked for. */
function koffi({
  version = koffiVersion,
  ort = engineVersion,
  table = tableVersion,
  loads = true,
} = {}): Koffi & {
  readonly asked: number[]
} {
  const asked: number[] = []
  const [base, tableAt, getApi, getVersion] = [1000n, 2000n, 1n, 2n]
  const natives = new Map<bigint, Native>([
    [getApi, wanted => (wanted === table ? tableAt : null)],
    [getVersion, () => ort],
  ])
  const decode = (address: bigint, place: number | object): bigint | Native | null => {
    if (typeof place === 'object') return natives.get(address) ?? (() => null)
    if (address === base) return place === 0 ? getApi : getVersion
    asked.push(place)
    return BigInt(place)
  }
  return {
    asked,
    version,
    load: () => ({ func: name => () => (name === 'dlopen' ? (loads ? 1n : null) : base) }),
    proto: () => ({}),
    decode: decode as Koffi['decode'],
    address: () => 0n,
    config: () => undefined,
  }
}

const open = (made: Koffi) =>
  openLibrary({ system: 'linux-x64', koffi: () => made, file: '/x/libonnxruntime.so.1' })

describe('The library of ONNX Runtime', () => {
  it('gives its functions from their places in the table, which are 8 bytes apart', () => {
    const made = koffi()
    const library = open(made)
    expect('reason' in library ? library.reason : Object.keys(library.functions)).toEqual(
      Object.keys(functions),
    )
    expect(made.asked).toEqual(Object.values(functions).map(({ place }) => 8 * place))
  })

  it('has the places that ONNX Runtime itself keeps fixed', () => {
    // Each is the last one of a released version, which onnxruntime_c_api.cc asserts; the first ones by hand from the header.
    const { CreateEnv, Run, ReleaseSessionOptions, SessionEndProfiling, AddSessionConfigEntry } = functions
    expect([CreateEnv, Run, ReleaseSessionOptions, SessionEndProfiling, AddSessionConfigEntry]).toMatchObject(
      [3, 9, 100, 110, 130].map(place => ({ place })),
    )
  })

  it.each([
    [
      'koffi of another version',
      { version: '2.0.0' },
      `@koromix/koffi-linux-x64 ${koffiVersion}, found 2.0.0`,
    ],
    [
      'ONNX Runtime of another version',
      { ort: '1.22.0' },
      `ONNX Runtime ${engineVersion}, found 1.22.0 in /x/`,
    ],
    ['no table of the version', { table: 12 }, `has no table of functions of version ${tableVersion}`],
    ['a file that cannot be loaded', { loads: false }, '/x/libonnxruntime.so.1 cannot be loaded'],
  ])('is not called where there is %s', (_, given, reason) => {
    expect(open(koffi(given))).toEqual({ reason: expect.stringContaining(reason) })
  })

  it('is not called without koffi, and where it was not tried', () => {
    const missing = openLibrary({
      system: 'linux-x64',
      koffi: () => {
        throw new Error('Cannot find module')
      },
    })
    expect(missing).toEqual({ reason: `@koromix/koffi-linux-x64@${koffiVersion} is not installed` })
    expect(openLibrary({ system: 'win32-x64' })).toEqual({
      reason: 'it was tried on linux-x64 only, not win32-x64',
    })
  })
})
