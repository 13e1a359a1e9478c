import { z } from 'zod'

/**
 * The part of the configuration that describes one mixture-of-experts layer (METHOD.md §1–§3, §8.2).
 * Every key carries a description: it is what an error shows as help.
 */
const lift = z
  .int()
  .min(1)
  .max(1_000_000)
  .nullable()
  .default(null)
  .describe('the epoch, counted from 0, from which the constraint is off; null keeps it on')

const weight = (value: number) =>
  z
    .number()
    .min(0)
    .max(1e6)
    .default(value)
    .describe('what the loss is multiplied by before it is added to the task loss')

/** One constraint, told apart by its name; the numbers that METHOD.md gives are the defaults. */
export const constraintSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('none') }),
  z.strictObject({ name: z.literal('importance'), weight: weight(0.5), lift }),
  z.strictObject({ name: z.literal('kl'), weight: weight(0.5), lift }),
  z.strictObject({
    name: z.literal('relative'),
    threshold: z
      .number()
      .min(0)
      .max(1e6)
      .default(0.5)
      .describe('an expert is excluded from a step when its summed relative importance is above this'),
    lift,
  }),
  z.strictObject({
    name: z.literal('mean'),
    threshold: z
      .number()
      .min(-1)
      .max(1)
      .default(0.3)
      .describe('an expert is excluded from a step when its mean share is above 1/E by more than this'),
    lift,
  }),
  z.strictObject({ name: z.literal('load'), weight: weight(0.1), lift }),
  z.strictObject({ name: z.literal('switch'), weight: weight(0.01), lift }),
  z.strictObject({ name: z.literal('entropy'), weight: weight(0.5), lift }),
  z.strictObject({ name: z.literal('z-loss'), weight: weight(1e-3), lift }),
  z.strictObject({
    name: z.literal('loss-free'),
    rate: z
      .number()
      .gt(0)
      .max(1e3)
      .default(1e-3)
      .describe("how far an expert's selection bias moves in one step"),
    lift,
  }),
])

/** What every mixture of experts has, wherever it sits: its experts, its gate and what balances them. */
export const routingShape = {
  experts: z.int().min(1).max(1024).default(4).describe('how many experts the layer has (E)'),
  k: z.int().min(1).max(1024).default(2).describe('how many experts compute each image (K)'),
  gate: z
    .enum(['gap-fc', 'conv-gap-fc', 'relu-gap-fc'])
    .default('gap-fc')
    .describe(
      'the network that scores the experts; relu-gap-fc is gap-fc on the positive part of the input, as in the original detectors',
    ),
  gateWidth: z
    .int()
    .min(1)
    .max(65_536)
    .default(256)
    .describe('channels of the convolution in a conv-gap-fc gate'),
  noise: z
    .boolean()
    .nullable()
    .default(null)
    .describe('noise on the logits in training; null: as the constraint was published'),
  weighting: z
    .enum(['softmax-after-top-k', 'softmax-before-top-k'])
    .default('softmax-after-top-k')
    .describe('whether the softmax sees the chosen experts only (the paper) or all of them'),
  dispatch: z
    .enum(['sparse', 'dense'])
    .default('sparse')
    .describe('sparse computes the chosen experts only; dense, its slow twin, computes all'),
  constraint: constraintSchema.default({ name: 'none' }).describe('what keeps the experts balanced'),
} as const

export const moeLayerSchema = z.strictObject({
  position: z.int().min(0).max(4).describe('where the layer sits: 0 is the stem, 1 to 4 are the stages'),
  style: z
    .enum(['block', 'resblock', 'conv'])
    .default('resblock')
    .describe(
      'block: experts replace the stage; resblock: with a shortcut around them; conv: one convolution',
    ),
  expertWidth: z
    .int()
    .min(1)
    .max(65_536)
    .nullable()
    .default(null)
    .describe(
      'channels inside an expert; null takes about half a stage, so that two equal the plain network',
    ),
  ...routingShape,
})

/**
 * Whether logits carry noise when the configuration leaves it open. Soft constraints do and hard ones do not, as
 * in the paper (METHOD.md §2, §3); the entropy loss and loss-free balancing were published without noise (§8.1,
 * §8.2). A single expert has nothing to choose, so nothing to disturb.
 */
export function defaultNoise(constraint: string, experts: number): boolean {
  return experts > 1 && !['relative', 'mean', 'entropy', 'loss-free'].includes(constraint)
}
