import { Registry } from '../../base/component.ts'
import type { ConstraintDefinition } from './definition.ts'
import { definition as entropy } from './entropy.ts'
import { definition as importance } from './importance.ts'
import { definition as kl } from './kl.ts'
import { definition as load } from './load.ts'
import { definition as lossFree } from './loss-free.ts'
import { definition as mean } from './mean.ts'
import { definition as mutualInformation } from './mutual-information.ts'
import { definition as none } from './none.ts'
import { definition as relative } from './relative.ts'
import { definition as switchLoss } from './switch.ts'
import { definition as zLoss } from './z-loss.ts'

const known = [
  none,
  importance,
  kl,
  relative,
  mean,
  load,
  switchLoss,
  entropy,
  zLoss,
  lossFree,
  mutualInformation,
] as const

/** All constraints. One that comes with Moiety is a file of this folder and a word of this list. */
export const constraints = new Registry<ConstraintDefinition, typeof known>('constraint', known)
