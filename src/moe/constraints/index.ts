export type { Constraint, Counters, LossContext } from './constraint.ts'
export {
  type ConstrainedRouting,
  type ConstraintDefinition,
  type ConstraintKind,
  type ConstraintSpec,
  defineConstraint,
} from './definition.ts'
export { entropy } from './entropy.ts'
export { importance, squaredVariation } from './importance.ts'
export { kl } from './kl.ts'
export { load } from './load.ts'
export { lossFree } from './loss-free.ts'
export { meanImportance } from './mean.ts'
export { mutualInformation } from './mutual-information.ts'
export { none } from './none.ts'
export { constraints } from './registry.ts'
export { relative } from './relative.ts'
export { switchLoss } from './switch.ts'
export { zLoss } from './z-loss.ts'
