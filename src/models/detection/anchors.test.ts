import { describe, expect, it } from 'vitest'
import { detectionGolden, expectValues } from '../../../test/detection-golden.ts'
import { Graph } from '../../graph/index.ts'
import { Scope } from '../../nn/index.ts'
import { resnetStages, type StemName } from '../resnet.ts'
import { anchorsOf, pyramidStrides } from './anchors.ts'
import { featurePyramid } from './fpn.ts'

describe('anchors', () => {
  it('of one position, by hand', () => {
    const options = { size: 4, scales: [1, 2], ratios: [1, 4] }
    const { boxes, levels } = anchorsOf([8, 8], [8], options)
    // Sides 32 and 64; a ratio of 4 is twice as high and half as wide. The centre is (4, 4).
    expect([...boxes]).toEqual([
      ...[-12, -12, 20, 20],
      ...[-28, -28, 36, 36],
      ...[-4, -28, 12, 36],
      ...[-12, -60, 20, 68],
    ])
    expect(levels).toEqual([{ stride: 8, height: 1, width: 1, start: 0, end: 4 }])
  })

  it('go by level, row, column', () => {
    const { boxes, levels } = anchorsOf([16, 24], [8, 16], { size: 1, scales: [1], ratios: [1] })
    const centres = Array.from({ length: boxes.length / 4 }, (_, a) => [
      (boxes[4 * a]! + boxes[4 * a + 2]!) / 2,
      (boxes[4 * a + 1]! + boxes[4 * a + 3]!) / 2,
    ])
    expect(centres).toEqual([
      ...[4, 12, 20].map(x => [x, 4]),
      ...[4, 12, 20].map(x => [x, 12]),
      ...[8, 24].map(x => [x, 8]),
    ])
    expect(levels.map(({ start, end }) => [start, end])).toEqual([
      [0, 6],
      [6, 8],
    ])
  })

  it('are those that numpy gives', () => {
    const { canvas, strides, anchors } = detectionGolden.matching
    expectValues(anchorsOf(canvas, strides).boxes, anchors, 1e-10, 'anchors')
  })

  it('have the strides of the stem', () => {
    expect(pyramidStrides('imagenet')).toEqual([8, 16, 32, 64, 128])
    expect(pyramidStrides('strided')).toEqual([4, 8, 16, 32, 64])
    expect(pyramidStrides('cifar')).toEqual([2, 4, 8, 16, 32])
  })

  it.each([
    ['imagenet', 96, 160],
    ['imagenet', 100, 75],
    ['strided', 96, 64],
    ['strided', 37, 50],
    ['cifar', 32, 33],
  ] as const)('of a %s stem and a canvas of %i × %i stand where the pyramid does', (stem, height, width) => {
    const sizes = pyramidExtents(stem, height, width)
    const { levels } = anchorsOf([height, width], pyramidStrides(stem))
    expect(levels.map(level => [level.height, level.width])).toEqual(sizes)
  })
})

/** Height and width of P3 to P7. */
function pyramidExtents(stem: StemName, height: number, width: number): (number | string)[][] {
  const graph = new Graph()
  const scope = Scope.root(graph, { training: false })
  const images = graph.input('images', 'float32', [1, 3, height, width])
  const { stages } = resnetStages(scope, images, { name: 'resnet18', stem, width: 2 })
  return featurePyramid(scope, stages.slice(1), 2).map(level => [level.dim(2), level.dim(3)])
}
