import { expect, it } from 'vitest'
import { confidentMistakes, labelMistakes } from './confident-mistakes.ts'

it('the most confident mistakes come first, equal ones in the order of the images', () => {
  const [labels, predictions] = [
    [0, 1, 2, 1, 0],
    [0, 2, 1, 0, 1],
  ]
  expect(confidentMistakes(predictions!, [0.99, 0.5, 0.9, 0.4, 0.5], labels!, 3)).toEqual([
    { image: 2, label: 2, prediction: 1, confidence: 0.9 },
    { image: 1, label: 1, prediction: 2, confidence: 0.5 },
    { image: 4, label: 0, prediction: 1, confidence: 0.5 },
  ])
})

it('labels that are found wrongly and labels that are missed are ranked apart, at the thresholds of their classes', () => {
  const probabilities = [0.9, 0.2, 0.6, 0.1, 0.3, 0.35]
  const targets = [0, 1, 1, 1, 0, 0]
  expect(labelMistakes(probabilities, targets, [0.5, 0.32], 9)).toEqual({
    found: [
      { image: 0, label: 0, probability: 0.9 },
      { image: 2, label: 1, probability: 0.35 },
    ],
    missed: [
      { image: 1, label: 1, probability: 0.1 },
      { image: 0, label: 1, probability: 0.2 },
    ],
  })
  expect(labelMistakes(probabilities, targets, [0.5, 0.32], 1).found).toHaveLength(1)
})
