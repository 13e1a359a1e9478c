import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { MoietyError } from '../base/errors.ts'
import { bytesOf, PickleFunction, pythonGlobals, readPickle } from './pickle.ts'
import { NumpyArray, numpyGlobals } from './pickle-numpy.ts'

const globals = new Map([...pythonGlobals, ...numpyGlobals])
const read = (bytes: Uint8Array, extra: ReadonlyMap<string, unknown> = new Map()) =>
  readPickle(bytes, { source: 'f.pkl', help: 'convert it', globals: new Map([...globals, ...extra]) })

/** Bytes of operations, written as numbers and texts. */
const program = (...parts: (number | string)[]): Uint8Array =>
  Buffer.concat(parts.map(part => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part, 'latin1'))))

function refusal(bytes: Uint8Array, extra?: ReadonlyMap<string, unknown>): MoietyError {
  try {
    read(bytes, extra)
  } catch (error) {
    if (error instanceof MoietyError) return error
    throw error
  }
  return expect.unreachable('a pickle that must be refused was read')
}

describe('pickles', () => {
  it.each([0, 1, 2, 3, 4, 5])('of protocol %i give what Python wrote', protocol => {
    const file = readFileSync(new URL(`../../test/fixtures/torch/values-${protocol}.pkl`, import.meta.url))
    const { value, end } = read(file)
    expect(end).toBe(file.length)
    const values = value as Map<string, unknown>
    expect(values.get('none')).toBe(null)
    expect([values.get('yes'), values.get('no')]).toEqual([true, false])
    expect(values.get('ints')).toEqual([
      ...[0, 255, 256, -1, 2 ** 31 - 1, -(2 ** 31)],
      2n ** 53n + 1n,
      -(2n ** 70n),
    ])
    expect(values.get('floats')).toEqual([0.5, -1e300])
    expect(values.get('text')).toBe("a€😀\n'")
    expect(values.get('list')).toEqual([[], [1], [[2]]])
    expect(values.get('tuple')).toEqual([1, [2, 3], [4, 5, 6, 7]])
    expect(values.get('dict')).toEqual(
      new Map<unknown, unknown>([
        [1, 'one'],
        ['two', 2],
        [null, 0],
      ]),
    )
    expect([...bytesOf(values.get('bytes'))!]).toEqual([0, 255])
    expect(values.get('number')).toBe(-5)
    const array = values.get('array')
    expect(array).toBeInstanceOf(NumpyArray)
    if (!(array instanceof NumpyArray)) return
    expect([array.shape, array.type.name, array.isFortran]).toEqual([[2, 2], 'u1', true])
    expect([...array.bytes]).toEqual([1, 3, 2, 4])
  })

  it('of Python 2 have strings in latin-1, with their quotes and escapes', () => {
    expect(read(program('\x80\x02U\x02\xe9\x00.')).value).toBe('\u00e9\0')
    expect(read(program("S'a\\x41\\n\\'\\\\'\n.")).value).toBe("aA\n'\\")
    expect(read(program('L-12L\n.')).value).toBe(-12)
    expect(read(program('I01\n.')).value).toBe(true)
  })

  it('one after the other are read from where the last one ended', () => {
    const bytes = program('K\x01.K\x02.')
    const options = { source: 'f', help: '', globals }
    const first = readPickle(bytes, options)
    expect([first.value, readPickle(bytes, options, first.end).value]).toEqual([1, 2])
  })

  it.each([
    ['os.system', 'cos\nsystem\n(S"true"\ntR.', 'names os.system'],
    [
      'posix.system by the stack',
      '\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.',
      'names posix.system',
    ],
    ['eval', 'c__builtin__\neval\n(S"1"\ntR.', 'names __builtin__.eval'],
    [
      'getattr by a dotted name',
      '\x80\x04\x8c\x08builtins\x8c\x0bset.__add__\x93.',
      'names builtins.set.__add__',
    ],
    ['a prototype', 'cObject\nconstructor\n.', 'names Object.constructor'],
    ['INST', '(S"x"\nios\nsystem\n.', 'operation 0x69'],
    ['OBJ', '(cos\nsystem\no.', 'names os.system'],
    ['EXT1', '\x82\x01.', 'operation 0x82'],
    ['PERSID', 'Px\n.', 'operation 0x50'],
    ['a persistent id', 'K\x01Q.', 'refers to something outside'],
    ['an unknown operation', '\xff.', 'operation 0xff'],
    ['a call of a number', 'K\x01)R.', 'calls what is not a function'],
    ['arguments that are none', 'c__builtin__\nset\nK\x01R.', 'calls what is not a function'],
    ['the state of a number', 'K\x01K\x02b.', 'sets the state of a value that has none'],
    ['an unknown protocol', '\x80\x09.', 'protocol is newer'],
    ['a truncated string', 'X\xff\xff\xff\x7fab', 'ends in the middle of a value'],
    ['a string of 2^63 bytes', '\x8d\xff\xff\xff\xff\xff\xff\xff\x7fab', 'ends in the middle of a value'],
    ['nothing', '', 'ends in the middle of a value'],
    ['no end', 'K\x01', 'ends in the middle of a value'],
    ['an empty stack', '.', 'a value that is not there'],
    ['a mark that is not there', 't.', 'a mark that is not there'],
    ['a value that was not stored', 'h\x07.', 'value 7, which it has not stored'],
    ['a key without a value', '}(K\x01u.', 'a key without a value'],
    ['items of a number', 'K\x01K\x02K\x03s.', 'items are set of what is not a dict'],
    ['an append to a number', 'K\x01K\x02a.', 'appended to what is not a list'],
    [
      'an int of a megabyte',
      `\x8b\x00\x00\x10\x00${'\x01'.repeat(2 ** 20)}.`,
      'an int in it has 1048576 bytes',
    ],
    ['an int of 3000 digits', `I${'9'.repeat(3000)}\n.`, 'an int in it is not a number'],
    ['half a character', 'X\x01\x00\x00\x00\xff.', 'not UTF-8'],
    ['100,000 marks', '('.repeat(100_000), 'nest more than 1000 deep'],
  ])('that hold %s are refused', (_, bytes, message) => {
    const error = refusal(program(bytes))
    expect(error.kind).toBe('data')
    expect(error.message).toContain(message)
    expect([error.where?.startsWith('f.pkl, byte '), error.help]).toEqual([true, 'convert it'])
  })

  it('never run what they name, and give the table only what the file says', () => {
    const calls: unknown[] = []
    const spy = new PickleFunction(args => calls.push(args))
    expect(read(program('cmine\nspy\n(K\x01U\x01atR.'), new Map([['mine.spy', spy]])).value).toBe(1)
    expect(calls).toEqual([[1, 'a']])
  })

  it('that copy a long text again and again run out of their budget', () => {
    const text = 'x'.repeat(2e6)
    const again = 'h\x00h\x01\x86R0'.replace('h\x00', 'h\x02')
    const head = `X\x80\x84\x1e\x00${text}q\x00X\x06\x00\x00\x00latin1q\x01c_codecs\nencode\nq\x02`
    const bytes = program(head, again.replace('h\x01\x86', 'h\x00h\x01\x86').repeat(1000), 'N.')
    expect(refusal(bytes).message).toContain('far more memory than the file')
  })

  it('that refer to one list again and again share it', () => {
    // A list of ten references to a list of ten references …, fifty deep: 10^50 elements if it were copied.
    const level = (i: number): string =>
      `](${`h${String.fromCharCode(i)}`.repeat(10)}eq${String.fromCharCode(i + 1)}`
    const levels = Array.from({ length: 50 }, (_, i) => level(i)).join('')
    const { value } = read(program(']q\x00', levels, '.'))
    expect((value as unknown[]).length).toBe(10)
  })

  it('that contain themselves are read', () => {
    const value = read(program(']q\x00h\x00a.')).value as unknown[]
    expect(value[0]).toBe(value)
  })
})
