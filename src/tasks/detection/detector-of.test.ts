import { describe, expect, it } from 'vitest'
import { resolveConfig } from '../../config/config.ts'
import { Graph } from '../../graph/index.ts'
import type { RoutingOverride } from '../../moe/index.ts'
import { Scope } from '../../nn/index.ts'
import type { MixturePlace } from '../variants.ts'
import { detectorOf, detectorPlaces, isDetector } from './detector-of.ts'

function model(mixture: object | null, moe: readonly object[] = []) {
  const detector = { channels: 8, headDepth: 1, mixture }
  const config = resolveConfig(
    { data: { name: 'scenes' }, model: { name: 'resnet18', width: 4, moe, detector } },
    'a test',
  )
  if (!isDetector(config.model)) throw new Error('no detector')
  return config.model
}

const constraint = { name: 'none' }
const mixture = { experts: 3, k: 2, constraint }
const layer = (position: number) => ({ position, style: 'resblock', experts: 2, k: 2, constraint })

describe('the places of a detector', () => {
  it('are those of its mixtures, in the order in which it tells of them', () => {
    expect(detectorPlaces(model(null))).toEqual([])
    expect(detectorPlaces(model({ ...mixture, heads: 'regression' }))).toEqual(['regression'])
    expect(detectorPlaces(model({ ...mixture, gates: 'shared' }))).toEqual(['shared'])
    expect(detectorPlaces(model(mixture, [layer(4), layer(3)]))).toEqual([
      3,
      4,
      'classification',
      'regression',
    ])
  })

  it('can be routed otherwise one by one', () => {
    const own = model(mixture, [layer(4)])
    // A place whose override names an expert that is not there is refused by its name; others do not see it.
    const built = (place: MixturePlace) => {
      const graph = new Graph()
      const override = new Map<MixturePlace, RoutingOverride>([[place, { kind: 'single', expert: 9 }]])
      const images = graph.input('images', 'float32', [1, 3, 64, 64])
      return () => detectorOf(own, { classes: 2, override })(Scope.root(graph, { training: false }), images)
    }
    for (const place of [4, 'classification', 'regression'] as const) expect(built(place)).toThrow()
    for (const place of [2, 'shared'] as const) expect(built(place)).not.toThrow()
  })
})
