import { expect, it } from 'vitest'
import { add, Graph, lower } from './index.ts'

it('a graph of more nodes than a call can have arguments is lowered', () => {
  const graph = new Graph()
  const first = graph.input('x', 'float32', [1])
  let last = first
  for (let i = 0; i < 130_000; i++) last = add(last, first)
  expect(lower(new Map([['y', last]])).graph?.nodes).toHaveLength(130_000)
})
