import type { EvaluatedVariants, Task } from '../tasks/task.ts'
import type { Analysed } from './analysed.ts'
import { routingTable } from './routing-table.ts'

/** What every task has, for one that adds nothing. */
export function analysedTask({ data }: Task, { trained, variants }: EvaluatedVariants): Analysed {
  const { routing, images } = trained
  const levels = routing.some(({ inputs }) => inputs > 1)
  return {
    evaluated: trained,
    variants,
    permutations: 1000,
    perClass: {},
    predicted: null,
    groupings: () => [],
    finish: async () => ({
      extras: null,
      pictures: null,
      tables: [routingTable({ routing, images }, data, { levels, about: [] })],
    }),
  }
}
