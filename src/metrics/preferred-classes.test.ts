import { describe, expect, it } from 'vitest'
import { draws } from '../base/random.ts'
import { layerSummaries } from '../tasks/routing.ts'
import { addWeights, emptyClassWeights, preferredClasses } from './preferred-classes.ts'

/** Weights of expert 0 of two, by class. */
function preferred(rows: readonly (readonly number[])[]) {
  const sums = emptyClassWeights(rows.length, 2)
  for (const [label, weights] of rows.entries())
    for (const weight of weights)
      addWeights(sums, BigInt64Array.of(BigInt(label)), Float32Array.of(weight, 1 - weight))
  return preferredClasses(
    sums,
    rows.map((_, c) => `class ${c}`),
  )
}

const times = (count: number, of: (i: number) => number) => Array.from({ length: count }, (_, i) => of(i))

describe('preferred classes', () => {
  it('are those with more weight than all images have, most beyond first, worked out by hand', () => {
    const found = preferred([times(40, () => 0.9), times(40, () => 0.7), times(80, () => 0.1)])
    // Mean (36 + 28 + 8) / 160 = 0.45, and 0.55 for the other.
    expect(found[0]!.classes.map(({ name, lift }) => [name, lift.toFixed(3)])).toEqual([
      ['class 0', '2.000'],
      ['class 1', '1.556'],
    ])
    expect(found[1]!.classes.map(({ name, lift }) => [name, lift.toFixed(3)])).toEqual([['class 2', '1.636']])
  })

  it('are none where routing ignores the class, though some mean is always above the others', () => {
    for (let trial = 0; trial < 40; trial++) {
      const source = draws(trial, 'weights')
      const found = preferred(times(25, c => c).map(() => times(20, () => source.uniform())))
      if (found.some(({ classes }) => classes.length > 0)) expect(trial, 'chance').toBe('found')
    }
  })

  it('are none of few images, however far apart', () => {
    const found = preferred([times(5, () => 1), times(5, () => 0)])
    expect(found.map(({ classes }) => classes)).toEqual([[], []])
  })

  it('count objects that were routed together once', () => {
    const routed = (units: number, each: number) => {
      const objects = times(units * each, at => at).flatMap(at =>
        [0, 1].map(label => ({
          image: 2 * Math.floor(at / each) + label,
          object: at % each,
          label,
          area: 9,
          level: 2,
        })),
      )
      const weights = new Float32Array(2 * units * 5 * 2)
      for (let image = 0; image < 2 * units; image++) weights[(image * 5 + 2) * 2 + (image % 2)] = 1
      const layer = { name: 'head', experts: 2, k: 1, inputs: 5, weights, logits: weights }
      const stats = {
        ...{ name: 'head', importance: [0.5, 0.5], activation: [0.5, 0.5], excluded: [0, 0] },
        ...{ cvImportance: 0, cvActivation: 0, active: 2, counters: {} },
      }
      const [summary] = layerSummaries({ layers: [stats], routing: [layer], items: objects }, ['cat', 'dog'])
      return summary!.preferred.map(({ classes }) => classes.map(({ name }) => name))
    }
    expect(routed(40, 1)).toEqual([['cat'], ['dog']])
    // As many objects, but two levels of two images.
    expect(routed(2, 20)).toEqual([[], []])
  })
})
