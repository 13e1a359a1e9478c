import { describe, expect, it } from 'vitest'
import {
  bar,
  bytes,
  clean,
  clock,
  count,
  duration,
  painter,
  percent,
  smallBars,
  truncate,
  wrap,
} from './screen.ts'

describe('numbers on the screen', () => {
  it('are short and have a unit', () => {
    expect([percent(0.7134), percent(1), percent(0)]).toEqual(['71.3 %', '100.0 %', '0.0 %'])
    expect([42.4, 65, 3599.6, 7384].map(duration)).toEqual(['42 s', '1 min 05 s', '1 h 00 min', '2 h 03 min'])
    expect([5, 83, 3600, 7384].map(clock)).toEqual(['0:05', '1:23', '1:00:00', '2:03:04'])
    expect([640, 26_400, 999_700, 11_220_132, 123_456_789].map(count)).toEqual([
      '640',
      '26.4 k',
      '1.0 M',
      '11.2 M',
      '123 M',
    ])
    expect([0, 1023, 1536, 3 * 1024 ** 3].map(bytes)).toEqual(['0 B', '1023 B', '1.5 KiB', '3.0 GiB'])
  })

  it('say when there is none', () => {
    expect([duration(Number.POSITIVE_INFINITY), clock(Number.NaN)]).toEqual(['?', '?'])
  })
})

describe('bars', () => {
  it('are exact to an eighth of a column and always as wide', () => {
    expect([bar(0, 4), bar(0.5, 4), bar(1 / 32, 4), bar(1, 4), bar(7, 4), bar(Number.NaN, 4)]).toEqual([
      '    ',
      '██  ',
      '▏   ',
      '████',
      '████',
      '    ',
    ])
  })

  it('show an equal share at half the height, a dead expert as the lowest line', () => {
    expect(smallBars([0.25, 0.25, 0.25, 0.25])).toBe('▄▄▄▄')
    expect(smallBars(Array.from({ length: 10 }, () => 0.1))).toBe('▄'.repeat(10))
    expect(smallBars([0, 0.5, 0.5, 0])).toBe('▁██▁')
    expect(smallBars(Array.from({ length: 20 }, () => 0.05))).toBe(`${'▄'.repeat(16)}…`)
  })
})

describe('text on the screen', () => {
  it('from files cannot steer the terminal', () => {
    expect(clean('a\u001b[31m\n\u0007\u202e.png')).toBe('a\\u001b[31m\\n\\u0007\\u202e.png')
  })

  it('is cut and wrapped to the width', () => {
    expect([truncate('abcdef', 6), truncate('abcdefg', 6)]).toEqual(['abcdef', 'abcde…'])
    expect(wrap('one two three four', '  ', 11)).toBe('  one two\n  three\n  four')
  })

  it('has colours only on a terminal that has them', () => {
    const write = () => true
    expect(painter({ isTTY: true, hasColors: () => true, write }).bold('x')).toBe('\u001b[1mx\u001b[22m')
    expect(painter({ isTTY: true, hasColors: () => false, write }).bold('x')).toBe('x')
    expect(painter({ hasColors: () => true, write }).bold('x')).toBe('x')
  })
})
