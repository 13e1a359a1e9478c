import { z } from 'zod'
import { type Component, type ComponentSpec, checkSpec, type OptionMistake } from '../base/component.ts'
import { mul, type Tensor } from '../graph/index.ts'

/** Name and shape of a tensor of the state. */
export interface Parameter {
  readonly name: string
  readonly shape: readonly number[]
}

/** How parameters are trained, in addition to the options of the optimizer. */
export interface ParamGroupOptions {
  /** What the learning rate is multiplied by. */
  readonly rate: number
  /** Null: as the optimizer has it. */
  readonly weightDecay: number | null
}

/** As the optimizer has it. */
export const defaultGroupOptions: ParamGroupOptions = { rate: 1, weightDecay: null }

/** What one formula updates: a parameter, or several vectors one after another. */
export interface Trained {
  /** As the optimizer has it when not given. */
  readonly group?: ParamGroupOptions
  readonly parameters: readonly Parameter[]
  readonly value: Tensor
  readonly gradient: Tensor
}

/** The tensors that an optimizer keeps from step to step: part of the training state, so saved and resumed. All begin at zero. */
export interface OptimizerMemory {
  /** A scalar's value before the step; `next` says what it becomes, and that is returned. */
  evolve(name: string, next: (before: Tensor) => Tensor): Tensor
  /** The same for one tensor like each parameter, called `KIND.NAME`. */
  evolveFor(parameters: readonly Parameter[], kind: string, next: (before: Tensor) => Tensor): Tensor
}

/**
 * One step of an optimizer: what is the same for all parameters is computed at once; the function that is returned gives the new
 * value of each. It must act on every number alike, since vectors come joined to one.
 *
 * @param rate - the learning rate of the step, a scalar
 */
export type UpdateRule<Options> = (
  options: Options,
  rate: Tensor,
  memory: OptimizerMemory,
) => (trained: Trained) => Tensor

/** An optimizer as its file defines it: mathematics, options, name. */
export interface OptimizerSpec<Name extends string, Options extends z.ZodRawShape>
  extends ComponentSpec<Name, Options> {
  /** The default of its base learning rate. */
  readonly learningRate: number
  /** What its options contradict. */
  readonly check?: (options: z.output<z.ZodObject<Options>>) => readonly OptionMistake[]
  readonly update: UpdateRule<z.output<z.ZodObject<Options>>>
}

/** An optimizer that a configuration can name. */
export interface OptimizerDefinition extends Component {
  readonly component: 'optimizer'
  readonly options: z.ZodRawShape
  /** What its options contradict. */
  check?(options: object): readonly OptionMistake[]
  /** One step, see {@link UpdateRule}. */
  update(options: object, rate: Tensor, memory: OptimizerMemory): (trained: Trained) => Tensor
}

const groups = z
  .array(
    z.strictObject({
      parameters: z
        .string()
        .min(1)
        .max(1000)
        .describe('names of parameters, such as layer4.experts.*; * stands for any characters'),
      rate: z
        .number()
        .min(0)
        .max(1e6)
        .default(1)
        .describe('what the learning rate is multiplied by for them'),
      weightDecay: z
        .number()
        .min(0)
        .max(1e3)
        .nullable()
        .default(null)
        .describe("their weight decay; null: the optimizer's"),
    }),
  )
  .min(1)
  .max(100)
  .nullable()
  .default(null)
  .describe('parameters that are trained otherwise; one that several entries name belongs to the first')

/** The weight decay of an optimizer, as an option. */
export const weightDecay = (value: number, how: string) =>
  z.number().min(0).max(1e3).default(value).describe(how)

/**
 * Defines an optimizer, so that a configuration can name it: `{ name, learningRate, ...options, groups }`. `options` are zod schemas
 * with defaults and descriptions.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineOptimizer<const Name extends string, Options extends z.ZodRawShape>(
  spec: OptimizerSpec<Name, Options>,
) {
  checkSpec('optimizer', spec, 'update', ['name', 'learningRate', 'groups'])
  const learningRate = z
    .number()
    .gt(0)
    .max(1e3)
    .default(spec.learningRate)
    .describe('the base learning rate; the schedule scales it')
  const { name, options } = spec
  return {
    ...spec,
    component: 'optimizer' as const,
    schema: z
      .strictObject({ name: z.literal(name), learningRate, ...options, groups })
      .describe(spec.description),
  }
}

/** A learning rate times the factor of a group of parameters. */
export function times(rate: Tensor, factor: number): Tensor {
  return factor === 1 ? rate : mul(rate, factor)
}
