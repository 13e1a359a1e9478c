import type { Constraint } from './constraint.ts'

/** No constraint: the gate is left alone (METHOD.md §7, C1). */
export function none(): Constraint {
  return { name: 'none', noise: true }
}
