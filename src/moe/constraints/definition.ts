import { z } from 'zod'
import {
  type Component,
  type ComponentSpec,
  checkSpec,
  type OptionMistake,
  withDefaults,
} from '../../base/component.ts'
import type { Constraint } from './constraint.ts'

/** How a constraint works: not at all, by a loss, by excluding experts, or in another way. */
export type ConstraintKind = 'none' | 'soft' | 'hard' | 'other'

/** What a configuration says of the layer that a constraint is for. */
export interface ConstrainedRouting {
  readonly experts: number
  readonly k: number
  /** Whether the logits carry noise in training; null: as the constraint has it. */
  readonly noise: boolean | null
}

interface Facts {
  /** What METHOD.md calls soft and hard, and losses that balance likewise; anything else is `other`. */
  readonly kind: ConstraintKind
  /** Whether the gate's logits carry noise in training unless the layer says otherwise. */
  readonly noise: boolean
  /** Whether its loss needs the class of each image. */
  readonly needsLabels?: boolean
  /** What the layer contradicts; `key` is one of the layer's keys. */
  readonly check?: (routing: ConstrainedRouting) => readonly OptionMistake[]
}

/** A constraint as its file defines it: mathematics, options, name. */
export interface ConstraintSpec<Name extends string, Options extends z.ZodRawShape>
  extends ComponentSpec<Name, Options>,
    Facts {
  /** Makes of the options' values what keeps the experts balanced. */
  readonly create: (options: z.output<z.ZodObject<Options>>) => Omit<Constraint, 'name' | 'noise'>
}

/** A constraint that a configuration can name. */
export interface ConstraintDefinition extends Component, Facts {
  readonly component: 'constraint'
  readonly options: z.ZodRawShape
  /** @throws MoietyError (usage) for options that it does not have or that cannot be */
  create(options?: object): Constraint
}

/** The epoch from which a constraint is off; every constraint that does something has it. */
const lift = z
  .int()
  .min(1)
  .max(1_000_000)
  .nullable()
  .default(null)
  .describe('the epoch, counted from 0, from which the constraint is off; null keeps it on')

/** The weight of a loss, as an option. */
export const weight = (value: number) =>
  z
    .number()
    .min(0)
    .max(1e6)
    .default(value)
    .describe('what the loss is multiplied by before it is added to the task loss')

/**
 * Defines a constraint, so that a configuration can name it: `{ name, ...options, lift }`. `options` are zod schemas with defaults
 * and descriptions; `create` makes of their values what keeps the experts balanced.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineConstraint<const Name extends string, Options extends z.ZodRawShape>(
  spec: ConstraintSpec<Name, Options>,
) {
  checkSpec('constraint', spec, 'create', ['name', 'lift'])
  return {
    ...constraintOf(spec),
    schema: z.strictObject({ name: z.literal(spec.name), ...spec.options, lift }).describe(spec.description),
  }
}

/** The same for a constraint that does nothing, which cannot be lifted. */
export function defineNoConstraint<const Name extends string>(
  spec: ConstraintSpec<Name, Record<never, never>>,
) {
  return {
    ...constraintOf(spec),
    schema: z.strictObject({ name: z.literal(spec.name) }).describe(spec.description),
  }
}

function constraintOf<Name extends string, Options extends z.ZodRawShape>(
  spec: ConstraintSpec<Name, Options>,
) {
  const { name, noise, options } = spec
  return {
    ...spec,
    component: 'constraint' as const,
    /** The constraint with these options, defaults filled in. */
    create: (given?: z.input<z.ZodObject<Options>>): Constraint => ({
      name,
      noise,
      ...spec.create(withDefaults(options, given, `the constraint "${name}"`)),
    }),
  }
}

/** For constraints on which experts are chosen, which is no question with K = E. */
export function needsChoice(name: string): (routing: ConstrainedRouting) => OptionMistake[] {
  return ({ experts, k }) =>
    k !== experts || experts === 1
      ? []
      : [
          {
            key: 'constraint.name',
            message: `${name} balances which experts are chosen, but with K = E = ${k} all of them always are`,
            help: 'lower k, or take another constraint; importance and kl balance the weights of chosen experts too',
          },
        ]
}
