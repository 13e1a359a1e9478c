import { defineSchedule } from './definition.ts'

export const definition = defineSchedule({
  name: 'constant',
  description: 'the base learning rate throughout',
  options: {},
  rateAt: (_, { rate }) => rate,
})
