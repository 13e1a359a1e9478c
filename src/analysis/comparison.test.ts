import { describe, expect, it } from 'vitest'
import { syntheticFindings } from '../../test/synthetic-findings.ts'
import type { ConstraintKind } from '../moe/index.ts'
import { nearest } from '../predict/neighbours.ts'
import {
  type ComparedLayer,
  type ComparedRun,
  comparedRun,
  dataSetsOf,
  groupsOf,
  kindOfRun,
  spreadOf,
} from './comparison.ts'

describe('runs side by side', () => {
  const plain: ComparedRun = {
    task: 'classification',
    run: 'a',
    recipe: null,
    seed: 1,
    step: 10,
    checkpoint: 'step 10',
    isBest: false,
    configuration: 'c1',
    extensions: [],
    data: { title: 'images', identity: 'd1', images: 100 },
    measures: { top1: 0.5, top5: 0.8 },
    score: 0.5,
    parameters: 100,
    activeParameters: 100,
    multiplyAdds: 1000,
    latency: null,
    learning: [],
    seconds: 60,
    layers: [],
  }

  const made: ComparedLayer = {
    name: 'layer4',
    style: 'resblock',
    constraint: 'kl',
    kind: 'soft',
    count: 4,
    k: 2,
    active: 4,
    cvImportance: 0.1,
    cvActivation: 0.1,
    bits: { class: 0.5 },
    inputBits: 1,
    byK: [0.4, 0.5, 0.5, 0.5],
    singleDrop: 0.1,
    withoutDrop: 0.05,
  }

  it('lose by one expert what active experts lose, by their weight: an unused one has learned nothing', () => {
    const { findings } = syntheticFindings({
      classes: ['a', 'b'],
      superclasses: null,
      superclassOf: null,
      imagesPerClass: 10,
      layers: [{ name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }],
      gallery: 0,
    })
    const variant = (top1: number) => ({
      measures: { top1 },
      perClass: [top1, top1],
      gained: 0,
      lost: 0,
    })
    const drops = (share: number[], single: number[], without: number[]) => {
      const [layer] = findings.layers
      const variants = { ...layer!.variants, single: single.map(variant), without: without.map(variant) }
      const measures = { top1: 0.6 }
      const [own] = comparedRun({ ...findings, measures, layers: [{ ...layer!, share, variants }] }, 1).layers
      return [own!.singleDrop, own!.withoutDrop]
    }
    // Collapsed: the experts that are never used are right by chance alone, and nobody misses them. In the plain mean one
    // alone would lose 43.75 points.
    const collapsed = drops([0.97, 0.03, 0, 0], [0.58, 0.05, 0.01, 0.01], [0.1, 0.59, 0.6, 0.6])
    expect(collapsed[0]).toBeCloseTo(0.97 * 0.02 + 0.03 * 0.55, 12)
    expect(collapsed[1]).toBeCloseTo(0.97 * 0.5 + 0.03 * 0.01, 12)
    // Even: the mean.
    const even = drops([0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.4, 0.3], [0.5, 0.6, 0.5, 0.6])
    expect(even[0]).toBeCloseTo(0.25, 12)
    expect(even[1]).toBeCloseTo(0.05, 12)
    expect(drops([0.01, 0.005, 0, 0], [0.4, 0.3, 0.4, 0.3], [])).toEqual([null, null])
    expect(drops([1], [0.6], [])).toEqual([0, null])
  })

  it('are of other data where classes, files or the split differ, though labels and counts are the same', () => {
    const { findings } = syntheticFindings({
      classes: ['a', 'b'],
      superclasses: null,
      superclassOf: null,
      imagesPerClass: 10,
      layers: [{ name: 'layer4', position: 4, experts: 4, k: 2, sharpness: 1 }],
      gallery: 0,
    })
    const own = { ...findings, data: { ...findings.data, files: 'photographs' } }
    const others = [{ classes: ['c', 'd'] }, { files: 'sketches' }, { split: 'val' as const }].map(fields =>
      comparedRun({ ...own, data: { ...own.data, ...fields } }, 1),
    )
    const same = comparedRun({ ...own, data: { ...own.data, title: 'moved elsewhere' } }, 1)
    expect(groupsOf([comparedRun(own, 1), same, ...others]).map(({ runs }) => runs.length)).toEqual([
      2, 1, 1, 1,
    ])
    expect(dataSetsOf([comparedRun(own, 1), same, ...others])).toHaveLength(4)
  })

  it('are grouped where nothing but the seed differs', () => {
    const groups = groupsOf([
      plain,
      { ...plain, run: 'wide', configuration: 'c2' },
      { ...plain, run: 'b', seed: 2, score: 0.6 },
      { ...plain, run: 'elsewhere', data: { title: 'others', identity: 'd2', images: 100 } },
    ])
    expect(groups.map(({ runs }) => runs.map(({ run }) => run))).toEqual([
      ['a', 'b'],
      ['wide'],
      ['elsewhere'],
    ])
    expect(groups.map(({ seeds }) => seeds)).toEqual([2, 1, 1])
    expect(groups[0]!.score!.mean).toBeCloseTo(0.55, 12)
    expect(groups[0]!.score!.deviation).toBeCloseTo(Math.SQRT1_2 * 0.1, 12)
    expect(groups[1]!.score!.deviation).toBeNull()
  })

  it('are of one kind only if all their layers are', () => {
    const run = (...kinds: ConstraintKind[]) => ({ ...plain, layers: kinds.map(kind => ({ ...made, kind })) })
    expect([run(), run('soft'), run('soft', 'soft'), run('soft', 'hard')].map(kindOfRun)).toEqual([
      undefined,
      'soft',
      'soft',
      'other',
    ])
  })

  it('say on how many data sets they are', () => {
    const other = { ...plain, data: { title: 'others', identity: 'd2', images: 3 } }
    expect(dataSetsOf([plain, plain])).toEqual(['images'])
    expect(dataSetsOf([plain, other])).toEqual(['images', 'others'])
  })

  it('have the sample’s standard deviation', () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({ mean: 2.5, deviation: Math.sqrt(5 / 3) })
  })
})

describe('the nearest images on the same route', () => {
  const among = {
    images: 4,
    channels: 2,
    features: Float32Array.of(1, 0, 1, 0.1, 0, 1, 0, 0),
    routes: [{ experts: 2, chosen: Uint8Array.of(0, 1, 1, 0, 1, 0, 1, 0) }],
  }
  const to = { features: Float32Array.of(2, 0), routes: [Uint8Array.of(1, 0)] }

  it('come before nearer ones that other experts computed', () => {
    const found = nearest(to, among, 4)
    expect(found.map(({ image, sharedLayers }) => [image, sharedLayers])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [0, 0],
    ])
    expect(found[0]!.similarity).toBeCloseTo(1 / Math.sqrt(1.01), 6)
    expect(found[3]!.similarity).toBeCloseTo(1, 6)
  })

  it('are as many as asked for, and an image without features is like none', () => {
    expect(nearest(to, among, 2).length).toBe(2)
    expect(nearest(to, among, 3)[2]).toEqual({ image: 3, similarity: 0, sharedLayers: 1 })
  })
})
