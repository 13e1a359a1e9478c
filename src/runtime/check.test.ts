import { describe, expect, it } from 'vitest'
import { floats, type HostTensor } from '../base/tensor.ts'
import { checkTensor, listed } from './check.ts'

const image = { name: 'image', dtype: 'float32', shape: ['N', 3, 'S', 'S'] } as const

function zeros(...shape: number[]): HostTensor {
  return floats(shape, new Float32Array(shape.reduce((product, extent) => product * extent, 1)))
}

describe('checkTensor', () => {
  it('accepts any extent for a symbol, and remembers it', () => {
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
    expect(() => checkTensor(image, zeros(2, 3, 4, 5), new Map())).toThrow('float32 [2, 3, 4, 5] came')
  })

  it('refuses another rank, extent or element type', () => {
    for (const tensor of [zeros(2, 3, 4), zeros(2, 4, 4, 4)]) {
      expect(() => checkTensor(image, tensor, new Map())).toThrow('expected float32 [N, 3, S, S], but')
    }
    const bytes: HostTensor = { dtype: 'uint8', shape: [1, 3, 1, 1], data: new Uint8Array(3) }
    expect(() => checkTensor(image, bytes, new Map())).toThrow('but uint8 [1, 3, 1, 1] came')
  })

  it('refuses an array whose length or class contradicts the shape and element type', () => {
    const short: HostTensor = { dtype: 'float32', shape: [1, 3, 2, 2], data: new Float32Array(11) }
    expect(() => checkTensor(image, short, new Map())).toThrow('expected 12 values')
    const bytes: HostTensor = { dtype: 'float32', shape: [1, 3, 2, 2], data: new Uint8Array(12) }
    expect(() => checkTensor(image, bytes, new Map())).toThrow('came in a Uint8Array')
  })
})

describe('listed', () => {
  it('gives eight names and counts the rest', () => {
    expect(listed([])).toBe('none')
    expect(listed([...'abcdefghij'])).toBe('a, b, c, d, e, f, g, h and 2 more')
  })
})
