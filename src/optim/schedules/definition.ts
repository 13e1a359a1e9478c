import { z } from 'zod'
import { type Component, type ComponentSpec, checkSpec, type OptionMistake } from '../../base/component.ts'

/** Where a step stands in the training, as a schedule sees it. */
export interface ScheduleStep {
  /** The optimizer's learning rate, η. */
  readonly rate: number
  /** Counted from 0 over all epochs; after the warm-up, if there is one. */
  readonly step: number
  /** The steps of the whole training. */
  readonly steps: number
  readonly stepsPerEpoch: number
  /** The epoch of the step, from 0. */
  readonly epoch: number
  /** The steps of the warm-up; not always whole. */
  readonly warmSteps: number
}

/** A schedule as its file defines it: mathematics, options, name. */
export interface ScheduleSpec<Name extends string, Options extends z.ZodRawShape>
  extends ComponentSpec<Name, Options> {
  /** What its options contradict; `key` may reach into a list. */
  readonly check?: (options: z.output<z.ZodObject<Options>>) => readonly OptionMistake[]
  /** The learning rate of a step, a pure function. */
  readonly rateAt: (options: z.output<z.ZodObject<Options>>, step: ScheduleStep) => number
}

/** A schedule of the learning rate that a configuration can name. */
export interface ScheduleDefinition extends Component {
  readonly component: 'schedule'
  /** What its options contradict. */
  check?(options: object): readonly OptionMistake[]
  /** The learning rate of a step. */
  rateAt(options: object, step: ScheduleStep): number
}

const warmup = z
  .strictObject({
    epochs: z.number().gt(0).max(1e6).describe('how long the warm-up lasts'),
    from: z.number().min(0).max(1e3).default(0).describe('the rate at its first step'),
    to: z
      .number()
      .gt(0)
      .max(1e3)
      .nullable()
      .default(null)
      .describe('the rate it would reach at its end; null: the base learning rate'),
    by: z
      .enum(['step', 'epoch'])
      .default('step')
      .describe('whether the rate rises with every step or stays within an epoch'),
  })
  .nullable()
  .default(null)
  .describe('a linear rise before the schedule proper; null for none')

/**
 * Defines a schedule, so that a configuration can name it: `{ name, ...options, warmup }`. `options` are zod schemas with defaults
 * and descriptions.
 *
 * @throws MoietyError (usage) for a definition that is incomplete
 */
export function defineSchedule<const Name extends string, Options extends z.ZodRawShape>(
  spec: ScheduleSpec<Name, Options>,
) {
  checkSpec('schedule', spec, 'rateAt', ['name', 'warmup'])
  return {
    ...spec,
    component: 'schedule' as const,
    schema: z
      .strictObject({ name: z.literal(spec.name), ...spec.options, warmup })
      .describe(spec.description),
  }
}

/** The same for a schedule that begins with a rise of its own. */
export function defineRisingSchedule<const Name extends string, Options extends z.ZodRawShape>(
  spec: ScheduleSpec<Name, Options>,
  reason: string,
) {
  return {
    ...spec,
    component: 'schedule' as const,
    schema: z
      .strictObject({
        name: z.literal(spec.name),
        ...spec.options,
        warmup: z.null().default(null).describe(reason),
      })
      .describe(spec.description),
  }
}

/** From `start` at p = 0 to `end` at p = 1 along half a period of the cosine. */
export function halfCosine(start: number, end: number, p: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * p))) / 2
}
