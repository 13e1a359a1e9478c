import type { HostTensor } from '../../base/tensor.ts'
import type { Tensor } from '../../graph/index.ts'
import type { Labels } from '../../nn/scope.ts'
import type { Routing } from '../routing.ts'

/** Counters of a constraint as symbolic tensors, by name. */
export type Counters = Readonly<Record<string, Tensor>>

/** What a constraint's loss may use besides the routing. */
export interface LossContext {
  /** The class of each row of the routing; undefined where the objective has none, as a detector's. */
  readonly labels: Labels | undefined
}

/**
 * What keeps experts in balance. A soft constraint has a `loss`, a hard one has `excluded`; both may keep
 * counters, which are part of the training state: saved, resumed and reported. All but `bias` act in training only.
 *
 * The layer never asks which constraint it has. A new one is one object of this type.
 */
export interface Constraint {
  readonly name: string
  /** Whether the gate's logits get noise unless the layer says otherwise: soft constraints need it to revive experts. */
  readonly noise: boolean
  /** First values of the counters, by name. */
  init?(experts: number): Readonly<Record<string, HostTensor>>
  /** bool [E]: which experts get no image in this step. Never all of them. */
  excluded?(counters: Counters): Tensor
  /** float32 [E], added to the logits for the choice only, in training and after it. */
  bias?(counters: Counters): Tensor
  /** A scalar, already times its weight, that joins the training loss. */
  loss?(routing: Routing, context: LossContext): Tensor
  /** The counters after the step. No gradient flows through them. */
  update?(counters: Counters, routing: Routing): Counters
}
