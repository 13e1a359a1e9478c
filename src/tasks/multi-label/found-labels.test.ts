import { expect, it } from 'vitest'
import { foundAt, labelsOfImages, pairedLabels } from './found-labels.ts'

it('an image has the classes whose probability is at least their threshold', () => {
  const found = foundAt(Float64Array.of(0.5, 0.2, 0.49, 0.3, 0.9, 0.1), [0.5, 0.2, 1])
  expect([...found]).toEqual([1, 1, 0, 0, 1, 0])
  expect(labelsOfImages(found, 3)).toEqual([[0, 1], [1]])
  expect(labelsOfImages(Uint8Array.of(0, 0, 1, 1), 2)).toEqual([[], [0, 1]])
})

it('what two networks find of a class is compared on the images that show it', () => {
  // Class 0 is on images 0, 1 and 2; class 1 on image 3 alone, and what is found of it elsewhere does not count.
  const targets = Uint8Array.of(1, 0, 1, 0, 1, 0, 0, 1)
  const trained = Uint8Array.of(1, 1, 1, 0, 0, 1, 1, 0)
  const variant = Uint8Array.of(1, 0, 0, 1, 1, 1, 0, 1)
  expect(pairedLabels(trained, variant, targets, 2)).toEqual({
    together: [2, 0],
    lost: [1, 0],
    gained: [1, 1],
  })
})
