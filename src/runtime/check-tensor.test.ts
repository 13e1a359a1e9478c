import { describe, expect, it } from 'vitest'
import { floats, type HostTensor } from '../base/tensor.ts'
import { checkTensor, checkValues, listed } from './check-tensor.ts'

const image = { name: 'image', dtype: 'float32', shape: ['N', 3, 'S', 'S'] } as const

function zeros(...shape: number[]): HostTensor {
  return floats(shape, new Float32Array(shape.reduce((product, extent) => product * extent, 1)))
}

describe('checkTensor', () => {
  it('accepts any extent for a symbol, and records it', () => {
    const symbols = new Map<string, number>()
    checkTensor(image, zeros(2, 3, 4, 4), symbols)
    expect(symbols).toEqual(
      new Map([
        ['N', 2],
        ['S', 4],
      ]),
    )
    expect(() => checkTensor(image, zeros(5, 3, 4, 4), symbols)).toThrow('expected float32 [2, 3, 4, 4], but')
  })

  it('refuses a second extent for a symbol within one tensor', () => {
    expect(() => checkTensor(image, zeros(2, 3, 4, 5), new Map())).toThrow('got float32 [2, 3, 4, 5]')
  })

  it('refuses another rank, extent or element type', () => {
    for (const tensor of [zeros(2, 3, 4), zeros(2, 4, 4, 4)]) {
      expect(() => checkTensor(image, tensor, new Map())).toThrow('expected float32 [N, 3, S, S], but')
    }
    const bytes: HostTensor = { dtype: 'uint8', shape: [1, 3, 1, 1], data: new Uint8Array(3) }
    expect(() => checkTensor(image, bytes, new Map())).toThrow('but got uint8 [1, 3, 1, 1]')
  })

  it('refuses an array whose length or class contradicts the shape and element type', () => {
    const short: HostTensor = { dtype: 'float32', shape: [1, 3, 2, 2], data: new Float32Array(11) }
    expect(() => checkTensor(image, short, new Map())).toThrow('expected 12 values')
    const bytes: HostTensor = { dtype: 'float32', shape: [1, 3, 2, 2], data: new Uint8Array(12) }
    expect(() => checkTensor(image, bytes, new Map())).toThrow('in a Uint8Array')
  })
})

describe('listed', () => {
  it('gives eight names and counts the rest', () => {
    expect(listed([])).toBe('none')
    expect(listed([...'abcdefghij'])).toBe('a, b, c, d, e, f, g, h and 2 more')
  })
})

describe('checkTensor, for unchecked values', () => {
  const labels = { name: 'labels', dtype: 'int64', shape: [4] } as const
  const given = (tensor: unknown) => () => checkTensor(labels, tensor as HostTensor, new Map())

  it.each([
    ['nothing', undefined, 'expected int64 [4], but got no tensor: undefined'],
    ['an array', [0, 1, 2, 3], 'no tensor: a Array'],
    ['a BigInt64Array by itself', new BigInt64Array(4), 'no tensor: a BigInt64Array'],
    ['values in an array', { dtype: 'int64', shape: [4], data: [0n, 1n, 2n, 3n] }, 'no tensor: a Object'],
    [
      'an unknown element type',
      { dtype: 'int32', shape: [4], data: new Int32Array(4) },
      'expected int64 [4], but got the element type "int32"',
    ],
    ['another array', { dtype: 'int64', shape: [4], data: new Int32Array(4) }, 'got 4 in a Int32Array'],
    [
      'numbers, which may be NaN',
      { dtype: 'float32', shape: [4], data: new Float32Array(4) },
      'expected int64 [4], but got float32 [4]',
    ],
    [
      'an extent below 0',
      { dtype: 'int64', shape: [-2, -2], data: new BigInt64Array(4) },
      'whole numbers from 0',
    ],
    ['too few', { dtype: 'int64', shape: [3], data: new BigInt64Array(3) }, 'but got int64 [3]'],
    ['another rank', { dtype: 'int64', shape: [4, 1], data: new BigInt64Array(4) }, 'but got int64 [4, 1]'],
  ])('refuses %s', (_, tensor, expected) => {
    expect(given(tensor)).toThrow(expected)
    expect(given(tensor)).toThrow(expect.objectContaining({ kind: 'data', where: 'tensor labels' }))
    expect(given(tensor)).toThrow(
      expect.objectContaining({ help: expect.stringContaining('BigInt64Array') as string }),
    )
  })
})

describe('checkValues', () => {
  const takes = { least: -1, most: 9, expected: 'numbers from -1 to 9', help: 'count' }

  it('accepts all values by default, and valid ones', () => {
    const data = BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)
    checkValues({ name: 'any', dtype: 'int64', shape: [2] }, { dtype: 'int64', shape: [2], data })
    const all = { dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, 9n) } as const
    checkValues({ name: 'some', dtype: 'int64', shape: [2], takes }, all)
    checkValues(
      { name: 'none', dtype: 'int64', shape: [0], takes },
      { ...all, shape: [0], data: new BigInt64Array() },
    )
  })

  it('names the first invalid value, its position, and the count', () => {
    const data = BigInt64Array.of(0n, 1n, 2n, 3n, 10n, 5n, 6n, -2n)
    const check = () =>
      checkValues(
        { name: 'x', dtype: 'int64', shape: ['N', 4], takes },
        { dtype: 'int64', shape: [2, 4], data },
      )
    expect(check).toThrow('expected numbers from -1 to 9, but got 10, the first of 2 among 8 values')
    expect(check).toThrow(expect.objectContaining({ kind: 'data', where: 'tensor x[1, 0]', help: 'count' }))
  })

  it.each([Number.NaN, Infinity, -Infinity])('never takes %s', value => {
    const wide = { ...takes, least: -Infinity, most: Infinity }
    for (const shape of [[], [1]])
      expect(() =>
        checkValues({ name: 'x', dtype: 'float32', shape, takes: wide }, floats(shape, [value])),
      ).toThrow(`but got ${value}`)
  })
})
