import { defineNoConstraint } from './definition.ts'

/** No constraint: the gate is left alone (METHOD.md §7, C1). */
export const definition = defineNoConstraint({
  name: 'none',
  description: 'nothing: the gate is left alone',
  kind: 'none',
  noise: true,
  options: {},
  create: () => ({}),
})

/** The constraint itself, for a layer that is built in code. */
export const none = definition.create
