import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { floats, type HostTensor, type State } from '../base/tensor.ts'
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts'

/** The bytes of a file with this header text and this data. */
function file(header: string, data: ArrayLike<number> = []): Uint8Array {
  const text = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + text.length + data.length)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true)
  bytes.set(text, 8)
  bytes.set(data, 8 + text.length)
  return bytes
}

function one(entry: string, data: ArrayLike<number> = []): Uint8Array {
  return file(`{"a":${entry}}`, data)
}

function errorOf(bytes: Uint8Array): MoietyError {
  try {
    decodeSafetensors(bytes, 'x.safetensors')
  } catch (cause) {
    if (cause instanceof MoietyError) return cause
    throw cause
  }
  throw new Error('nothing was refused')
}

const state: State = new Map<string, HostTensor>([
  ['fc.weight', floats([2, 3], [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 1e-45])],
  ['counter', { dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, 2n ** 62n) }],
  ['mask', { dtype: 'bool', shape: [3], data: Uint8Array.of(0, 1, 1) }],
  ['bytes', { dtype: 'uint8', shape: [1], data: Uint8Array.of(255) }],
  ['empty', floats([0, 4], [])],
  ['scalar', floats([], [7])],
  ['__proto__', floats([1], [1])],
  ['constructor', floats([1], [2])],
  ['quote " and \\ and é 🙂', floats([1], [3])],
])

describe('encodeSafetensors', () => {
  it('writes what decodeSafetensors reads, names like __proto__ and constructor included', () => {
    const { tensors } = decodeSafetensors(encodeSafetensors(state), 'x')
    expect(new Map([...tensors].sort())).toEqual(new Map([...state].sort()))
    expect(Object.is((tensors.get('fc.weight')!.data as Float32Array)[1], -0)).toBe(true)
  })

  it('gives the same bytes for the same state in another order', () => {
    const turned = new Map([...state].reverse())
    expect(encodeSafetensors(turned, { b: '1', a: '2' })).toEqual(
      encodeSafetensors(state, { a: '2', b: '1' }),
    )
  })

  it('aligns every tensor to the size of its elements', () => {
    const bytes = encodeSafetensors(state)
    const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))
    expect(header % 8).toBe(0)
    const text = new TextDecoder().decode(bytes.subarray(8, header))
    const sizes = new Map([
      ['I64', 8],
      ['F32', 4],
      ['BOOL', 1],
      ['U8', 1],
    ])
    const entries = [...text.matchAll(/"dtype":"(\w+)","shape":\[[\d,]*\],"data_offsets":\[(\d+)/g)]
    expect(entries).toHaveLength(state.size)
    for (const [, dtype, begin] of entries) expect(Number(begin) % sizes.get(dtype!)!).toBe(0)
  })

  it('has exactly these bytes for one scalar', () => {
    const header = '{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   '
    expect(encodeSafetensors(new Map([['a', floats([], [1])]]))).toEqual(file(header, [0, 0, 0x80, 0x3f]))
  })

  it('keeps metadata, a key named __proto__ included', () => {
    const metadata = Object.fromEntries([
      ['__proto__', 'x'],
      ['format', 'pt'],
    ])
    const read = decodeSafetensors(encodeSafetensors(new Map(), metadata), 'x').metadata
    expect(Object.entries(read)).toEqual([
      ['__proto__', 'x'],
      ['format', 'pt'],
    ])
  })

  it.each([
    ['data shorter than its shape', { dtype: 'float32', shape: [2], data: Float32Array.of(1) }],
    ['data of another type', { dtype: 'int64', shape: [1], data: Float32Array.of(1) }],
    ['a fractional extent', { dtype: 'float32', shape: [0.5], data: Float32Array.of(1) }],
    ['a bool of 2', { dtype: 'bool', shape: [1], data: Uint8Array.of(2) }],
  ] satisfies [string, HostTensor][])('refuses %s', (_, tensor) => {
    expect(() => encodeSafetensors(new Map([['a', tensor]]))).toThrow(MoietyError)
  })

  it('refuses the reserved name __metadata__', () => {
    expect(() => encodeSafetensors(new Map([['__metadata__', floats([], [1])]]))).toThrow(/reserves/)
  })
})

describe('decodeSafetensors', () => {
  it.each([
    ['no bytes', new Uint8Array(0), /0 bytes/],
    ['seven bytes', new Uint8Array(7), /7 bytes/],
    ['a header longer than the file', Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d), /length is 9/],
    ['a header above 100 MB', Uint8Array.of(1, 0xe1, 0xf5, 5, 0, 0, 0, 0), /100000001/],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80), /9223372036854775808/],
    ['a header that is not UTF-8', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff), /UTF-8/],
    ['an empty header', file(''), /the header as an object/],
    ['a header that is not JSON', file('{"a'), /without an end/],
    ['a header that is an array', file('[]'), /the header as an object/],
    ['text after the header', file('{} x'), /the end was expected/],
    [
      'a trailing comma',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}'),
      /a key in the header/,
    ],
    ['a key twice', file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'), /"a" twice/],
    [
      'the same key by an escape',
      file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":1}'),
      /twice/,
    ],
    ['dtype twice', one('{"dtype":"U8","dtype":"U8"}'), /"dtype" twice/],
    ['an unknown dtype', one('{"dtype":"Q4","shape":[],"data_offsets":[0,1]}', [1]), /"Q4"; read are F32/],
    [
      'a dtype named constructor',
      one('{"dtype":"constructor","shape":[],"data_offsets":[0,1]}', [1]),
      /read are/,
    ],
    ['an unknown key', one('{"dtype":"U8","shape":[],"data_offsets":[0,1],"x":1}', [1]), /unknown key "x"/],
    ['no shape', one('{"dtype":"U8","data_offsets":[0,1]}', [1]), /must have dtype, shape/],
    [
      'a negative extent',
      one('{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}', [1]),
      /shape.*\[0\].*whole/,
    ],
    ['a fractional extent', one('{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}', [1]), /whole number/],
    ['an extent of 1e0', one('{"dtype":"U8","shape":[1e0],"data_offsets":[0,1]}', [1]), /whole number/],
    ['an extent of 01', one('{"dtype":"U8","shape":[01],"data_offsets":[0,1]}', [1]), /whole number/],
    ['an extent of 2^63', one('{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,1]}'), /2\^53/],
    [
      'a product above 2^53',
      one('{"dtype":"U8","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}'),
      /2\^53/,
    ],
    [
      '65 extents',
      one(`{"dtype":"U8","shape":[${Array(65).fill(1)}],"data_offsets":[0,1]}`, [1]),
      /more than 64/,
    ],
    ['an offset of NaN', one('{"dtype":"U8","shape":[],"data_offsets":[NaN,1]}', [1]), /whole number/],
    ['a negative offset', one('{"dtype":"U8","shape":[],"data_offsets":[-1,0]}', [1]), /whole number/],
    ['an offset as a string', one('{"dtype":"U8","shape":[],"data_offsets":["0",1]}', [1]), /whole number/],
    ['three offsets', one('{"dtype":"U8","shape":[],"data_offsets":[0,1,2]}', [1]), /more than 2/],
    ['one offset', one('{"dtype":"U8","shape":[],"data_offsets":[0]}', [1]), /begin <= end/],
    ['an end before its begin', one('{"dtype":"U8","shape":[],"data_offsets":[1,0]}', [1]), /begin <= end/],
    [
      'a size unlike its shape',
      one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}', [0, 0, 0, 0]),
      /has 8 bytes/,
    ],
    ['data beyond the file', one('{"dtype":"U8","shape":[9],"data_offsets":[0,9]}', [1]), /ends at 9/],
    ['trailing bytes', one('{"dtype":"U8","shape":[1],"data_offsets":[0,1]}', [1, 2]), /1 bytes follow/],
    ['data without tensors', file('{}', [1]), /1 bytes follow/],
    ['a bool of 2', one('{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}', [1, 2]), /value 1 .* is 2/],
    ['metadata that is a number', file('{"__metadata__":{"a":1}}'), /as a string/],
    ['an unpaired escape', file('{"\\x":1}'), /invalid escape/],
    ['a line break in a string', file('{"a\n":1}'), /without an end/],
  ])('refuses %s', (_, bytes, message) => {
    const error = errorOf(bytes)
    expect(error.kind).toBe('data')
    expect(error.message).toMatch(message)
    expect(error.where).toContain('x.safetensors')
  })

  it.each([
    ['a gap', '[0,1]', '[2,3]', /leaves a gap/],
    ['an overlap', '[0,2]', '[1,3]', /overlaps/],
    ['the same place twice', '[0,3]', '[0,3]', /overlaps/],
  ])('refuses %s between two tensors', (_, a, b, message) => {
    const entry = (offsets: string): string => {
      const [begin, end] = JSON.parse(offsets) as [number, number]
      return `{"dtype":"U8","shape":[${end - begin}],"data_offsets":${offsets}}`
    }
    expect(errorOf(file(`{"a":${entry(a)},"b":${entry(b)}}`, [1, 2, 3])).message).toMatch(message)
  })

  it('refuses a million nested arrays without descending into them', () => {
    expect(errorOf(file(`{"a":${'['.repeat(1_000_000)}`)).message).toMatch(/tensor "a" as an object/)
    expect(errorOf(one(`{"shape":${'['.repeat(1_000_000)}`)).message).toMatch(/whole number/)
  })

  it('reads the wider and narrower numbers of published files', () => {
    const numbers = (dtype: string, words: readonly number[], bytes: number): (number | bigint)[] => {
      const data = new Uint8Array(words.length * bytes)
      const view = new DataView(data.buffer)
      for (const [i, word] of words.entries()) {
        if (bytes === 2) view.setUint16(i * 2, word, true)
        else if (dtype === 'I32') view.setInt32(i * 4, word, true)
        else view.setFloat64(i * 8, word, true)
      }
      const entry = `{"dtype":"${dtype}","shape":[${words.length}],"data_offsets":[0,${data.length}]}`
      return [...decodeSafetensors(one(entry, data), 'x').tensors.get('a')!.data]
    }
    // IEEE 754-2008: 1, -2, largest, smallest normal, smallest, infinity, not a number, -0.
    expect(numbers('F16', [0x3c00, 0xc000, 0x7bff, 0x0400, 1, 0x7c00, 0x7e00, 0x8000], 2)).toEqual([
      1,
      -2,
      65504,
      2 ** -14,
      2 ** -24,
      Number.POSITIVE_INFINITY,
      Number.NaN,
      -0,
    ])
    expect(numbers('BF16', [0x3f80, 0xc000, 0xff80, 0x8000], 2)).toEqual([
      1,
      -2,
      Number.NEGATIVE_INFINITY,
      -0,
    ])
    expect(numbers('F64', [0.1, -3, Number.NaN], 8)).toEqual([Math.fround(0.1), -3, Number.NaN])
    expect(() => numbers('F64', [0, 1e300], 8)).toThrow(/value 1 of the tensor "a" is 1e\+300/)
    expect(numbers('I32', [-(2 ** 31), 7], 4)).toEqual([-2147483648n, 7n])
  })

  it.each([
    ['Uint8Array', (length: number) => new Uint8Array(length)],
    ['Buffer', (length: number) => Buffer.alloc(length)],
  ])('reads from the middle of a larger %s, and gives copies', (_, create) => {
    const inside = encodeSafetensors(state)
    const around = create(inside.length + 3)
    around.set(inside, 3)
    const { tensors } = decodeSafetensors(around.subarray(3), 'x')
    around.fill(0)
    expect(new Map([...tensors].sort())).toEqual(new Map([...state].sort()))
  })
})

describe('any file', () => {
  const names = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('__proto__', 'constructor', 'toString'),
  )
  const tensor: fc.Arbitrary<HostTensor> = fc.oneof(
    fc
      .float32Array({ maxLength: 6 })
      .map((data): HostTensor => ({ dtype: 'float32', shape: [data.length, 1], data })),
    fc
      .bigInt64Array({ maxLength: 4 })
      .map((data): HostTensor => ({ dtype: 'int64', shape: [1, data.length], data })),
    fc
      .uint8Array({ maxLength: 6 })
      .map((data): HostTensor => ({ dtype: 'uint8', shape: [data.length], data })),
    fc
      .uint8Array({ max: 1, maxLength: 6 })
      .map((data): HostTensor => ({ dtype: 'bool', shape: [data.length], data })),
  )
  const states = fc.array(fc.tuple(names, tensor), { maxLength: 5 }).map(entries => new Map(entries))

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(states, written => {
        const { tensors } = decodeSafetensors(encodeSafetensors(written), 'x')
        expect(tensors.size).toBe(written.size)
        for (const [name, value] of written) expect(tensors.get(name)).toEqual(value)
      }),
    )
  })

  /** Reads `bytes`; what is accepted must say the same when written and read again. */
  const readsOrRefuses = (bytes: Uint8Array): void => {
    let read: ReturnType<typeof decodeSafetensors>
    try {
      read = decodeSafetensors(bytes, 'x')
    } catch (cause) {
      if (cause instanceof MoietyError && cause.kind === 'data') return
      throw cause
    }
    const held = [...read.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0)
    expect(held).toBeLessThanOrEqual(2 * bytes.length)
    const again = decodeSafetensors(encodeSafetensors(read.tensors, read.metadata), 'x')
    expect(new Map([...again.tensors].sort())).toEqual(new Map([...read.tensors].sort()))
  }

  it('with one byte changed is read or refused as data, whichever byte it is', () => {
    const bytes = encodeSafetensors(state, { format: 'pt' })
    for (let place = 0; place < bytes.length; place++) {
      for (const value of [0, 1, 0x22, 0x2d, 0x30, 0x39, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0xff]) {
        const changed = bytes.slice()
        changed[place] = value
        readsOrRefuses(changed)
      }
    }
  })

  it('cut anywhere is refused as data', () => {
    const bytes = encodeSafetensors(state)
    for (let length = 0; length < bytes.length; length++) {
      expect(errorOf(bytes.subarray(0, length)).kind).toBe('data')
    }
  })

  it('with pieces changed, removed, doubled and inserted is read or refused as data', () => {
    const pieces = fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc
        .constantFrom(
          '{',
          '}',
          '[',
          ']',
          '"',
          ',',
          ':',
          '\\u0000',
          '0',
          '99',
          '1e9',
          '-',
          'null',
          'F16',
          'F64',
          '__proto__',
        )
        .map(text => new TextEncoder().encode(text)),
    )
    const edits = fc.array(fc.record({ at: fc.nat(), remove: fc.nat({ max: 12 }), insert: pieces }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(states, edits, fc.boolean(), (written, changes, repair) => {
        let bytes = [...encodeSafetensors(written, { format: 'pt' })]
        for (const { at, remove, insert } of changes) {
          const place = at % (bytes.length + 1)
          bytes = [...bytes.slice(0, place), ...insert, ...bytes.slice(place + remove)]
        }
        // Half of the cases get a fitting header length again, and so reach the deeper checks.
        const file = Uint8Array.from(bytes)
        const end = bytes.lastIndexOf(0x7d) + 1
        if (repair && end > 8) new DataView(file.buffer).setBigUint64(0, BigInt(end - 8), true)
        readsOrRefuses(file)
      }),
      { numRuns: 2000 },
    )
  })
})
