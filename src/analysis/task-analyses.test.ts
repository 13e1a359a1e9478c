import { expect, it } from 'vitest'
import type { Engine } from '../runtime/index.ts'
import { taskKinds } from '../tasks/kinds.ts'
import type { Task } from '../tasks/task.ts'
import { analyse } from './task-analyses.ts'

it.each([...taskKinds.map(({ name }) => name), 'depth'])(
  'a task called %s that is built in another way has what every task has',
  async name => {
    const weights = Float32Array.of(1, 0, 0, 1)
    const evaluated = {
      ...{ images: 2, loss: 0, measures: { mine: 0.5 }, layers: [], items: [], details: {}, tables: [] },
      routing: [{ name: 'mix', experts: 2, k: 1, inputs: 1, weights, logits: weights }],
    }
    const task = {
      kind: { name },
      data: { classes: ['a'], superclasses: undefined },
      withVariants: async () => ({ trained: evaluated, variants: [] }),
    } as unknown as Task
    const analysed = await analyse(task, {} as Engine, 'test', {})
    expect(analysed.evaluated).toBe(evaluated)
    const { extras, pictures, tables } = await analysed.finish([], () => undefined)
    expect([extras, pictures, tables.map(table => table.name)]).toEqual([null, null, ['routing.parquet']])
  },
)
