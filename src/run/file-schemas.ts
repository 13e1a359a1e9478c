import { z } from 'zod'

/**
 * What `metrics.jsonl`, `summary.json` and the events of `moiety train --json` hold. Readers take from here what they need
 * (`pick`), and the JSON Schemas in `schemas/` are made of it. What a field means, and its unit, is in `cli/field-meanings.ts`.
 *
 * A number that is NaN or infinite is null, and `nonFinite` says by its path which it is.
 */

const real = z.number().nullable()
const perExpert = z.array(real)
const count = z.int().nonnegative()
const split = z.enum(['train', 'val', 'test'])
const nonFinite = z.record(z.string(), z.enum(['NaN', 'Infinity', '-Infinity'])).optional()

/** How one mixture used its experts. */
export const layerStatsSchema = z.object({
  name: z.string(),
  importance: perExpert,
  activation: perExpert,
  cvImportance: real,
  cvActivation: real,
  active: real,
  excluded: perExpert,
  counters: z.record(z.string(), perExpert),
})

const measures = z.record(z.string(), real)
const losses = { loss: real, taskLoss: real, auxLoss: real }

/** A line about a step; further members are the measures of the task on the step's images. */
export const stepLineSchema = z
  .object({
    kind: z.literal('step'),
    step: count,
    epoch: count,
    ...losses,
    gradientNorm: real,
    weightNorm: real,
    learningRate: real,
    /** By the mixture's name; version 0.1 did not write it. */
    layers: z
      .record(
        z.string(),
        z.object({
          shares: perExpert,
          excluded: z.array(count).optional(),
          counters: z.record(z.string(), perExpert).optional(),
        }),
      )
      .optional(),
    nonFinite,
  })
  .catchall(real)

/** A line about an epoch of training or a test; further members are the measures of the task. */
export const epochLineSchema = z
  .object({
    kind: z.literal('epoch'),
    epoch: count,
    step: count,
    split,
    ...losses,
    layers: z.array(layerStatsSchema),
    seconds: real,
    nonFinite,
  })
  .catchall(real)

const alarm = { layer: z.string(), starved: z.array(count), message: z.string() }

const alarmLineSchema = z.object({ kind: z.literal('alarm'), epoch: count, step: count, ...alarm })

/** By layer, and for each expert, the images of a test that give it most weight. */
const examplesLineSchema = z.object({
  kind: z.literal('examples'),
  epoch: count,
  step: count,
  split,
  layers: z.record(
    z.string(),
    z.array(z.array(z.object({ image: count, weight: real, classes: z.array(z.string()) }))),
  ),
})

/** One line of `metrics.jsonl`. */
export const metricsLineSchema = z.discriminatedUnion('kind', [
  stepLineSchema,
  epochLineSchema,
  examplesLineSchema,
  alarmLineSchema,
])

/** `summary.json`. */
export const summarySchema = z.object({
  run: z.string(),
  interrupted: z.boolean(),
  split: z.enum(['val', 'test']),
  measures,
  seconds: real,
  /** Version 0.1 did not write it. */
  cost: z
    .object({ parameters: z.number(), activeParameters: z.number(), multiplyAdds: z.number() })
    .optional(),
  layers: z.array(
    layerStatsSchema.extend({
      preferred: z.array(
        z.object({
          expert: count,
          classes: z.array(z.object({ name: z.string(), weight: real, lift: real })),
        }),
      ),
    }),
  ),
  best: z.object({ measure: z.string(), value: z.number(), step: count, epoch: count }).optional(),
})

/** One line on stdout of `moiety train --json`, the last of which is the summary. */
export const trainEventSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('start'),
    run: z.string(),
    data: z.string(),
    parameters: count,
    activeParameters: count,
    steps: count,
    resumedFrom: count.nullable(),
  }),
  z.object({
    kind: z.literal('step'),
    step: count,
    steps: count,
    epoch: count,
    loss: real,
    measures,
    learningRate: real,
    imagesPerSecond: real,
    secondsLeft: real,
    layers: z.array(layerStatsSchema),
    nonFinite,
  }),
  z.object({
    kind: z.literal('epoch'),
    epoch: count,
    epochs: count,
    split,
    ...losses,
    measures,
    seconds: real,
    layers: z.array(layerStatsSchema),
    nonFinite,
  }),
  z.object({ kind: z.literal('checkpoint'), path: z.string() }),
  z.object({ kind: z.literal('preparing'), isDone: z.boolean() }),
  z.object({ kind: z.literal('alarm'), ...alarm }),
  z.object({ kind: z.literal('warning'), message: z.string() }),
  z.object({ kind: z.literal('note'), message: z.string() }),
  z.object({
    kind: z.literal('skipped'),
    files: z.array(z.object({ path: z.string(), reason: z.string() })),
  }),
  z.object({ kind: z.literal('progress'), what: z.string(), done: z.number(), total: z.number() }),
  summarySchema.extend({ kind: z.literal('summary'), nonFinite }),
])
