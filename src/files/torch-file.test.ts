import { readFileSync } from 'node:fs'
import { crc32, deflateRawSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { decodeTorchFile, isTorchFile } from './torch-file.ts'
import { hostTensor, TorchTensor } from './torch-tensors.ts'

const fixture = (name: string): Buffer =>
  readFileSync(new URL(`../../test/fixtures/torch/${name}`, import.meta.url))

const expected = JSON.parse(fixture('expected.json').toString()) as Record<
  string,
  { shape: number[]; values: (number | string)[] }
>

const host = (value: unknown) =>
  value instanceof TorchTensor
    ? hostTensor(value, message => expect.unreachable(message))
    : expect.unreachable('expected a tensor')

async function refusal(bytes: Uint8Array): Promise<MoietyError> {
  return await decodeTorchFile(bytes, 'net.pth').then(
    () => expect.unreachable('a file that must be refused was read'),
    (error: unknown) => (error instanceof MoietyError ? error : expect.unreachable(String(error))),
  )
}

interface ZipEntry {
  readonly name: string
  readonly content: Uint8Array
  readonly deflate?: boolean
  /** Said to be the size when read. */
  readonly size?: number
}

/** A ZIP archive without Zip64. */
function zipped(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, content, deflate = false, size = content.length } of entries) {
    const data = deflate ? deflateRawSync(content) : Buffer.from(content)
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt16LE(deflate ? 8 : 0, 4)
    fields.writeUInt32LE(crc32(content), 10)
    fields.writeUInt32LE(data.length, 14)
    fields.writeUInt32LE(size, 18)
    fields.writeUInt16LE(name.length, 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(name), data])
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    central.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, tail, Buffer.from(name)]),
    )
    locals.push(local)
    offset += local.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...locals, directory, end])
}

/** The pickle of a tensor in the storage 0. */
function tensorPickle({
  elements = 4,
  offset = 0,
  shape = [2, 2],
  strides = [2, 1],
  type = 'FloatStorage',
} = {}) {
  const int = (value: number): string => {
    const bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value)
    return `J${bytes.toString('latin1')}`
  }
  const tuple = (values: readonly number[]): string => `(${values.map(int).join('')}t`
  const text = `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\n${type}\nU\x010U\x03cpu${int(elements)}tQ${int(offset)}${tuple(shape)}${tuple(strides)}\x89}tR.`
  return Buffer.from(text, 'latin1')
}

const quarter = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)
const archive = (pickle: Uint8Array, storage: Uint8Array = quarter): Buffer =>
  zipped([
    { name: 'net/data.pkl', content: pickle },
    { name: 'net/data/0', content: storage },
  ])

describe('files of torch.save', () => {
  it.each(['zip.pth', 'protocol-4.pth', 'legacy.pth'])(
    '%s gives the values that PyTorch wrote',
    async name => {
      const bytes = fixture(name)
      expect(isTorchFile(bytes)).toBe(true)
      const root = (await decodeTorchFile(bytes, name)) as Map<string, unknown>
      const states = root.get('state_dict') as Map<string, unknown>
      expect([...states.keys()]).toEqual(Object.keys(expected))
      for (const [key, { shape, values }] of Object.entries(expected)) {
        const { shape: extents, data, dtype } = host(states.get(key))
        expect(extents, key).toEqual(shape)
        expect(Array.from(data, Number), key).toEqual(values.map(Number))
        const floats = /^(?:num|int|uint|bool)/.test(key) ? undefined : 'float32'
        if (floats !== undefined) expect(dtype, key).toBe(floats)
      }
      expect(host(states.get('int8')).dtype).toBe('int64')
      expect(host(states.get('bool')).dtype).toBe('bool')
      expect([root.get('epoch'), root.get('name'), root.get('best'), root.get('device')]).toEqual([
        3,
        'net ü',
        0.75,
        'cpu',
      ])
      expect(root.get('big')).toBe(2n ** 80n)
    },
  )

  it('of a whole network are refused with the line of Python that converts them', async () => {
    const error = await refusal(fixture('module.pth'))
    expect(error.message).toContain('names torch.nn.modules.linear.Linear')
    expect(error.help).toContain('python -c')
    expect(error.help).toContain('torch.load("net.pth", map_location="cpu", weights_only=False)')
    expect(error.help).toContain('torch.save({k: v.clone()')
  })

  it('of TorchScript are refused with theirs', async () => {
    const error = await refusal(fixture('script.pt'))
    expect(error.message).toContain('a program of TorchScript')
    expect(error.help).toContain('torch.jit.load("net.pth"')
  })

  it('have their tensors read wherever these begin and however they are laid out', async () => {
    const read = async (options: Parameters<typeof tensorPickle>[0]) =>
      Array.from(host(await decodeTorchFile(archive(tensorPickle(options)), 'net.pth')).data, Number)
    expect(await read({})).toEqual([1, 2, 3, 4])
    expect(await read({ strides: [1, 2] })).toEqual([1, 3, 2, 4])
    expect(await read({ shape: [1, 2], offset: 2 })).toEqual([3, 4])
    expect(await read({ shape: [2, 3], strides: [1, 0] })).toEqual([1, 1, 1, 2, 2, 2])
  })

  it.each([
    ['a shape beyond the storage', { shape: [3, 2] }, 'does not fit in its storage of 4 elements'],
    ['an offset beyond it', { offset: 1 }, 'does not fit'],
    ['a negative stride', { strides: [-2, 1] }, 'has no storage, offset, shape and strides'],
    ['a stride too few', { strides: [1] }, 'not one stride for each extent'],
    ['a storage beyond the file', { elements: 2_000_000_000 }, '8000000000 bytes, the file 16'],
    ['a storage of another type', { type: 'DoubleStorage' }, '32 bytes, the file 16'],
    ['a storage that is quantised', { type: 'QInt8Storage' }, 'names torch.QInt8Storage'],
  ])('with %s are refused', async (_, options, message) => {
    expect((await refusal(archive(tensorPickle(options)))).message).toContain(message)
  })

  it('whose tensors repeat one number beyond all memory are refused', async () => {
    const pickle = tensorPickle({ shape: [2_000_000_000, 1000], strides: [0, 0] })
    const value = await decodeTorchFile(archive(pickle), 'net.pth')
    expect(() =>
      hostTensor(value as TorchTensor, message => {
        throw new Error(message)
      }),
    ).toThrow('2000000000000 elements made of a storage of 4')
  })

  it('whose archive is compressed are read, too', async () => {
    const entries = [
      { name: 'net/data.pkl', content: tensorPickle(), deflate: true },
      { name: 'net/data/0', content: quarter, deflate: true },
    ]
    expect(Array.from(host(await decodeTorchFile(zipped(entries), 'net.pth')).data, Number)).toEqual([
      1, 2, 3, 4,
    ])
  })

  it.each([
    ['leaves its folder', { name: '../../data/0', content: quarter }, 'invalid relative path'],
    ['is absolute', { name: '/etc/data/0', content: quarter }, 'absolute path'],
    ['is there twice', { name: 'net/data.pkl', content: quarter }, 'two entries net/data.pkl'],
    [
      'would fill the memory',
      { name: 'net/data/0', content: new Uint8Array(50e6), deflate: true },
      'would become 50000000',
    ],
    ['says another size', { name: 'net/data/0', content: quarter, size: 32 }, 'size'],
  ])('whose archive has an entry that %s are refused', async (_, entry, message) => {
    const bytes = zipped([{ name: 'net/data.pkl', content: tensorPickle() }, entry])
    expect((await refusal(bytes)).message).toContain(message)
  })

  it('that were changed or cut anywhere are refused', async () => {
    const whole = fixture('zip.pth')
    for (let length = 4; length < whole.length; length += 97)
      expect((await refusal(whole.subarray(0, length))).kind).toBe('data')
    const old = fixture('legacy.pth')
    for (let length = 40; length < old.length; length += 97)
      expect((await refusal(old.subarray(0, length))).kind).toBe('data')
    const damaged = archive(tensorPickle())
    damaged[damaged.indexOf(Buffer.from(quarter)) + 3]! ^= 1
    const value = await decodeTorchFile(damaged, 'net.pth')
    expect(() => host(value)).toThrow('its checksum does not fit')
  })

  it('of another kind are not taken for one', async () => {
    expect(isTorchFile(Buffer.from('not a file of tensors'))).toBe(false)
    expect((await refusal(zipped([{ name: 'a.npy', content: quarter }]))).message).toContain(
      'not of torch.save',
    )
  })
})
