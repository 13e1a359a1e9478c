import { z } from 'zod'
import { type Component, type ComponentSpec, checkSpec, withDefaults } from '../../base/component.ts'
import type { Tensor } from '../../graph/index.ts'
import type { Scope } from '../../nn/scope.ts'

/**
 * A gate: one logit an expert for each image, from what the layer sees. x [N, C, H, W] → [N, E].
 * Any function of this type is a gate.
 */
export type Gate = (scope: Scope, x: Tensor, experts: number) => Tensor

interface Facts {
  /** The least height and width of what it sees, in pixels, and why; left out: any. */
  readonly least?: { readonly side: number; readonly because: string }
}

/** A gate as its file defines it: mathematics, options, name. */
export interface GateSpec<Name extends string, Options extends z.ZodRawShape>
  extends ComponentSpec<Name, Options>,
    Facts {
  /** Makes a gate of the options' values. */
  readonly create: (options: z.output<z.ZodObject<Options>>) => Gate
}

/** A gate that a configuration can name. */
export interface GateDefinition extends Component, Facts {
  readonly component: 'gate'
  readonly options: z.ZodRawShape
  /** @throws MoietyError (usage) for options that it does not have or that cannot be */
  create(options?: object): Gate
}

/**
 * Defines a gate, so that a configuration can name it: `"gate": "NAME"`, or `{ name, ...options }`. `options` are zod schemas with
 * defaults and descriptions; `create` makes a gate of their values.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineGate<const Name extends string, Options extends z.ZodRawShape>(
  spec: GateSpec<Name, Options>,
) {
  checkSpec('gate', spec, 'create', ['name'])
  const { name, options } = spec
  return {
    ...spec,
    component: 'gate' as const,
    schema: z.strictObject({ name: z.literal(name), ...options }),
    /** The gate with these options, defaults filled in. */
    create: (given?: z.input<z.ZodObject<Options>>): Gate =>
      spec.create(withDefaults(options, given, `the gate "${name}"`)),
  }
}
