import type { z } from 'zod'
import { Registry } from '../../base/component.ts'
import type { DeepReadonly } from '../../base/schemas.ts'
import { definition as constant } from './constant.ts'
import { definition as cosine } from './cosine.ts'
import type { ScheduleDefinition } from './definition.ts'
import { definition as oneCycle } from './one-cycle.ts'
import { definition as step } from './step.ts'

const known = [constant, step, cosine, oneCycle] as const

/** All schedules. One that comes with Moiety is a file of this folder and a word of this list. */
export const schedules = new Registry<ScheduleDefinition, typeof known>('schedule', known)

/** The schedule of the learning rate, by its `name`. */
export type ScheduleConfig = DeepReadonly<z.output<(typeof known)[number]['schema']>>
