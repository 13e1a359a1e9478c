import { describe, expect, it } from 'vitest'
import { spread } from './place-charts.ts'
import { byPreference, preferred } from './reading.ts'

describe('the order of rows', () => {
  it('puts rows together by the expert they prefer, the strongest first, rows without values last', () => {
    const lift = [
      [0.5, 2],
      [null, null],
      [3, 0.1],
      [0.2, 4],
      [1.5, 1],
    ]
    expect(byPreference([0, 1, 2, 3, 4], lift)).toEqual([2, 4, 3, 0, 1])
  })

  it('prefers nobody where there is nothing', () => {
    expect(preferred([null, null])).toBeNull()
    expect(preferred(undefined)).toBeNull()
    expect(preferred([0, 0])).toBe(0)
  })
})

describe('labels at the ends of lines', () => {
  it('are moved apart, keep their order and do not sink below the axis', () => {
    const places = spread([0, 0, 1, 100], 10)
    expect(places[0]).toBeGreaterThanOrEqual(0)
    expect(places[1]! - places[0]!).toBeGreaterThanOrEqual(10 - 1e-6)
    expect(places[2]! - places[1]!).toBeGreaterThanOrEqual(10 - 1e-6)
    expect(places[3]).toBe(100)
  })
})
