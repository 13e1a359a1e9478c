import { describe, expect, it } from 'vitest'
import { draws, threefry } from './random.ts'

describe('threefry', () => {
  // Known answers published with Random123 (kat_vectors, threefry2x32, 20 rounds).
  it('gives the published known answers', () => {
    expect(threefry(0, 0, 0, 0)).toEqual([0x6b200159, 0x99ba4efe])
    expect(threefry(-1, -1, -1, -1)).toEqual([0x1cb996fc, 0xbb002be7])
    expect(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3)).toEqual([0xc4923a9c, 0x483df7a0])
  })
})

describe('draws', () => {
  it('depends only on its key and counter', () => {
    const first = draws(7, 'order', 3, 1)
    const again = draws(7, 'order', 3, 1)
    draws(7, 'order', 3, 0).uniform()
    expect([first.uint32(), first.uint32(), first.normal()]).toEqual([
      again.uint32(),
      again.uint32(),
      again.normal(),
    ])
  })

  it('differs in every part of key and counter', () => {
    const places = [draws(1, 'a'), draws(2, 'a'), draws(1, 'b'), draws(1, 'a', 1), draws(1, 'a', 0, 1)]
    expect(new Set(places.map(place => place.uint32())).size).toBe(places.length)
  })

  it('is uniform and normal to the accuracy of its sample', () => {
    const source = draws(5, 'moments')
    const count = 40_000
    const normals = Array.from({ length: count }, () => source.normal())
    const mean = normals.reduce((sum, x) => sum + x, 0) / count
    const variance = normals.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count
    expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(count))
    expect(Math.abs(variance - 1)).toBeLessThan(4 * Math.sqrt(2 / count))
  })

  it('permutes every index exactly once', () => {
    const order = draws(5, 'order').permutation(1000)
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i))
  })
})
