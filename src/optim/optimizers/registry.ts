import type { z } from 'zod'
import { Registry } from '../../base/component.ts'
import type { DeepReadonly } from '../../base/schemas.ts'
import type { OptimizerDefinition } from '../optimizer.ts'
import { definition as adam } from './adam.ts'
import { definition as adamw } from './adamw.ts'
import { definition as sgd } from './sgd.ts'

const known = [adam, adamw, sgd] as const

/** All optimizers. One that comes with Moiety is a file of this folder and a word of this list. */
export const optimizers = new Registry<OptimizerDefinition, typeof known>('optimizer', known)

type Complete = DeepReadonly<z.output<(typeof known)[number]['schema']>>
type GroupsLeftOut<T> = T extends Complete ? Omit<T, 'groups'> : never
/** The optimizer by its `name`, with the groups of parameters that it trains differently. */
export type OptimizerConfig = GroupsLeftOut<Complete> & Partial<Pick<Complete, 'groups'>>
