import { Registry } from '../../base/component.ts'
import { definition as convGapFc } from './conv-gap-fc.ts'
import { definition as gapFc } from './gap-fc.ts'
import type { GateDefinition } from './gate.ts'
import { definition as reluGapFc } from './relu-gap-fc.ts'

const known = [gapFc, convGapFc, reluGapFc] as const

/** All gates. One that comes with Moiety is a file of this folder and a word of this list. */
export const gates = new Registry<GateDefinition, typeof known>('gate', known)
