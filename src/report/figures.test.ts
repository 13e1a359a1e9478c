import { describe, expect, it } from 'vitest'
import {
  bits,
  blank,
  counted,
  fixed,
  list,
  parameters,
  percent,
  significance,
  times,
  whole,
} from './figures.ts'

describe('numbers of the report', () => {
  it.each([
    [percent(0.4213), '42.1\u202f%'],
    [times(2.44), '×2.4'],
    [times(0.04), '×0.04'],
    [times(0), '×0.0'],
    [bits(1.2345), '1.234'],
    [fixed(-0.5, 1), '−0.5'],
    [fixed(-0.01, 1), '0.0'],
    [whole(1234567), '1\u202f234\u202f567'],
    [whole(100), '100'],
    [parameters(11_220_132), '11.2\u202fmillion'],
    [parameters(812_345), '812\u202f345'],
    [significance(1 / 1001, 1000), 'p ≤ 0.0010'],
    [significance(0.25, 1000), 'p = 0.250'],
    [counted(2), 'two'],
    [counted(64), '64'],
    [list(['a', 'b', 'c']), 'a, b and c'],
  ])('%s is %s', (written, expected) => expect(written).toBe(expected))

  it.each([null, undefined, Number.NaN, Number.NEGATIVE_INFINITY])('%s is a dash', nothing => {
    for (const write of [percent, times, bits, whole, parameters]) expect(write(nothing)).toBe(blank)
    expect(fixed(nothing, 2)).toBe(blank)
    expect(significance(nothing, 10)).toBe('p –')
  })
})
