import * as z from 'zod'
import type { Json } from '../files/json.ts'

/**
 * A plan that a training no longer follows: it was to have so many epochs, and its learning rates followed that end until a step, at
 * which a resume gave it more.
 */
export const extension = z.object({ epochs: z.number(), until: z.number() })

/** See {@link extension}. */
export type Extension = Readonly<z.output<typeof extension>>

/** How long a training is to be, and how long it was to be before, as the `extra` of a checkpoint has it. */
export const trainingPlan = z.object({
  /** Of the configuration that the checkpoint was trained by. */
  epochs: z.number(),
  extensions: z.array(extension),
})

/** See {@link trainingPlan}. */
export type TrainingPlan = Readonly<z.output<typeof trainingPlan>>

/** Undefined for a checkpoint of an earlier version. */
export function readPlan(extra: Json): TrainingPlan | undefined {
  return z.object({ plan: trainingPlan }).safeParse(extra).data?.plan
}
