import { expect, it } from 'vitest'
import { balancedOrder, imageOf } from './balanced-order.ts'

const labels = [...Array(90).fill(0), ...Array(7).fill(1), ...Array(3).fill(3)]

it('has each class as often, each image of a class as often, and never the same number twice', () => {
  const order = balancedOrder(labels, 1, 0)
  expect(order).toHaveLength(100)
  expect(new Set(order).size).toBe(100)
  const images = Array.from(order, number => imageOf(number, labels.length))
  const count = (wanted: number) => images.filter(image => labels[image] === wanted).length
  expect([0, 1, 2, 3].map(count).sort()).toEqual([0, 33, 33, 34])
  const times = (image: number) => images.filter(other => other === image).length
  const ofClass = (label: number) => labels.flatMap((own, image) => (own === label ? [times(image)] : []))
  for (const label of [0, 1, 3])
    expect(Math.max(...ofClass(label)) - Math.min(...ofClass(label))).toBeLessThan(2)
})

it('is a function of seed and epoch, and leaves out no image of a large class for good', () => {
  expect(balancedOrder(labels, 1, 2)).toEqual(balancedOrder(labels, 1, 2))
  expect(balancedOrder(labels, 1, 2)).not.toEqual(balancedOrder(labels, 1, 3))
  const seen = new Set(
    Array.from({ length: 20 }, (_, epoch) => [...balancedOrder(labels, 1, epoch)])
      .flat()
      .map(n => n % 100),
  )
  expect(seen.size).toBe(100)
})

it('has no class of the same place in every batch', () => {
  const order = [...balancedOrder(labels, 5, 0)].map(number => labels[number % 100])
  expect(new Set(order.slice(0, 20)).size).toBe(3)
})
