import { Registry } from '../base/component.ts'
import type { CallbackDefinition } from './callback.ts'
import { definition as earlyStopping } from './early-stopping.ts'

const known = [earlyStopping] as const

/** All callbacks. One that comes with Moiety is a file and a word of this list. */
export const callbacks = new Registry<CallbackDefinition, typeof known>('callback', known)
