import { describe, expect, it } from 'vitest'
import { outlineExtent, polygonArea } from './outline.ts'

describe('the box and area of an outline', () => {
  it('of polygons', () => {
    expect(outlineExtent([[10, 5, 30, 5, 10, 15]])).toEqual({ box: [10, 5, 20, 10], area: 100 })
    const two = [
      [0, 0, 4, 0, 4, 2, 0, 2],
      [10, 10, 12, 10, 12, 11, 10, 11],
    ]
    expect(outlineExtent(two)).toEqual({ box: [0, 0, 12, 11], area: 10 })
    expect(outlineExtent([0, 0, 4, 0, 4, 2])).toEqual({ box: [0, 0, 4, 2], area: 4 })
    // The direction does not matter.
    expect(polygonArea([0, 0, 0, 2, 4, 2, 4, 0])).toBe(8)
  })

  it('of run lengths, as numbers and as pycocotools writes them', () => {
    // 4 rows and 5 columns; rows 1 and 2 of columns 2 and 3.
    const numbers = { size: [4, 5], counts: [9, 2, 2, 2, 5] }
    expect(outlineExtent(numbers)).toEqual({ box: [2, 1, 2, 2], area: 4 })
    // pycocotools.mask.encode of the same mask.
    expect(outlineExtent({ size: [4, 5], counts: '9220013' })).toBeUndefined()
    expect(outlineExtent({ size: [4, 5], counts: '92203' })).toEqual({ box: [2, 1, 2, 2], area: 4 })
    // A run over the end of a column.
    expect(outlineExtent({ size: [4, 5], counts: [3, 2, 15] })).toEqual({ box: [0, 0, 2, 4], area: 2 })
  })

  it.each([
    [[]],
    [[[1, 2, 3, 4]]],
    [[[1, 2, 3, 4, 5]]],
    [[['1', 2, 3, 4, 5, 6]]],
    ['text'],
    [null],
    [{ size: [4, 5], counts: [3, 2] }],
    [{ size: [4, 5], counts: [20] }],
    [{ size: [-4, 5], counts: [20] }],
    [{ size: [4], counts: [4] }],
    [{ size: [4, 5], counts: '~~~~' }],
  ])('of %j there is none', segmentation => {
    expect(outlineExtent(segmentation)).toBeUndefined()
  })
})
