import { describe, expect, it } from 'vitest'
import { classifierOf } from '../models/index.ts'
import { resolveConfig } from '../run/config.ts'
import { classifierStepOptions } from './classification-step.ts'
import { writeStep } from './step.ts'

describe('the program of a training step', () => {
  const config = resolveConfig(
    {
      model: {
        name: 'resnet18',
        width: 4,
        moe: [{ position: 4, style: 'resblock', experts: 3, constraint: { name: 'kl' } }],
      },
      optimizer: { name: 'adam' },
    },
    'test',
  )
  const { program, model, initialState } = writeStep(
    classifierStepOptions({
      classifier: classifierOf(config.model, { classes: 4 }),
      classes: 4,
      batch: 8,
      size: 32,
      optimizer: config.optimizer,
      labelSmoothing: 0,
      clipNorm: null,
    }),
  )
  const { nodes } = program.graph!
  const maker = new Map(nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))

  /** The nodes that a value is made from. */
  function madeFrom(value: string): Set<(typeof nodes)[number]> {
    const found = new Set<(typeof nodes)[number]>()
    const open = [value]
    while (open.length > 0) {
      const node = maker.get(open.pop()!)
      if (node === undefined || found.has(node)) continue
      found.add(node)
      open.push(...node.inputs)
    }
    return found
  }

  it('makes no new kernel before all gradients are there', () => {
    const squares = nodes.filter(({ op }) => op === 'ReduceSumSquare')
    const kernels = [...initialState(1)].filter(
      ([name, { shape }]) => model.includes(name) && shape.length === 4,
    )
    expect(kernels.length).toBeGreaterThan(20)
    expect(squares.length).toBeGreaterThan(kernels.length)
    for (const [name] of kernels) {
      const before = madeFrom(`next ${name}`)
      for (const square of squares) expect(before.has(square), `${name}, ${square.name}`).toBe(true)
    }
  })
})
