import { describe, expect, it } from 'vitest'
import { contrast, expertShades, liftShades, liftStep, type Shade, variables } from './palette.ts'

type Triple = readonly [number, number, number]

/** How colours look to who has no red, no green or no blue cones (Machado et al. 2009, severity 1), and to all others. */
const sights: Readonly<Record<string, readonly [Triple, Triple, Triple]>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  'without red cones': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'without green cones': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  'without blue cones': [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
}

function linear(colour: string): Triple {
  const part = (at: number): number => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  }
  return [part(1), part(3), part(5)]
}

function times(rows: readonly [Triple, Triple, Triple], [r, g, b]: Triple): Triple {
  const one = (row: Triple): number => row[0] * r + row[1] * g + row[2] * b
  return [one(rows[0]), one(rows[1]), one(rows[2])]
}

/** OKLab (Ottosson 2020). */
function oklab(rgb: Triple): Triple {
  const [l, m, s] = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    rgb,
  )
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    [Math.cbrt(l), Math.cbrt(m), Math.cbrt(s)],
  )
}

function least(colours: readonly string[], sight: readonly [Triple, Triple, Triple]): number {
  const seen = colours.map(colour => {
    const [r, g, b] = times(sight, linear(colour))
    const clip = (value: number): number => Math.min(1, Math.max(0, value))
    return oklab([clip(r), clip(g), clip(b)])
  })
  const distances = seen.flatMap((a, i) =>
    seen.slice(i + 1).map(b => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])),
  )
  return Math.min(...distances)
}

describe.each(['light', 'dark'] as const satisfies readonly (keyof Shade)[])('the %s palette', theme => {
  const paper = variables(theme).get('--paper') ?? ''
  const experts = expertShades.map(shade => shade[theme])

  it('sets every expert off from the page by a contrast of 3 and more', () => {
    for (const colour of experts) expect(contrast(colour, paper), colour).toBeGreaterThanOrEqual(3)
  })

  it('writes upon every colour with a contrast of 4.5 and more', () => {
    const colours = variables(theme)
    for (const [variable, colour] of colours) {
      const ink = colours.get(`${variable}-ink`)
      if (ink !== undefined) expect(contrast(colour, ink), variable).toBeGreaterThanOrEqual(4.5)
    }
  })

  it('has text that is read upon the page, and upon what is raised', () => {
    const colours = variables(theme)
    for (const ink of ['--ink', '--muted', '--good', '--bad'])
      for (const ground of ['--paper', '--raised', '--faint'])
        expect(
          contrast(colours.get(ink) ?? '', colours.get(ground) ?? ''),
          `${ink} on ${ground}`,
        ).toBeGreaterThan(4.5)
  })

  it.each(Object.entries(sights))('keeps experts apart, the fewer the farther, for sight %s', (_, sight) => {
    expect(least(experts.slice(0, 4), sight)).toBeGreaterThan(0.065)
    expect(least(experts.slice(0, 8), sight)).toBeGreaterThan(0.045)
    expect(least(experts, sight)).toBeGreaterThan(0.03)
  })

  it.each(Object.entries(sights))('tells less than chance from more for sight %s', (_, sight) => {
    const steps = liftShades.map(shade => shade[theme])
    for (const i of [0, 1, 2]) expect(least([steps[i]!, steps[6 - i]!], sight)).toBeGreaterThan(0.02)
  })
})

describe('steps of lift', () => {
  it.each([
    [0, 0],
    [0.3, 1],
    [0.7, 2],
    [1, 3],
    [1.3, 4],
    [3, 5],
    [4, 6],
    [99, 6],
  ])('lift %s has step %s', (lift, step) => expect(liftStep(lift)).toBe(step))
})
