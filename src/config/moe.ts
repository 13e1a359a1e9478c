import { z } from 'zod'
import { constraints, type GateDefinition, gates } from '../moe/index.ts'

/**
 * The part of the configuration that describes one mixture-of-experts layer (METHOD.md §1–§3, §8.2).
 * Every key carries a description: it is what an error shows as help.
 */
const [gapFc, convGapFc, reluGapFc] = gates.builtIn
const builtInGates = [gapFc.name, convGapFc.name, reluGapFc.name] as const

/** A gate by its name, or one that was added, with all of its options. */
export type GateConfig = (typeof builtInGates)[number] | GateObject
type GateObject = Readonly<Record<string, unknown>>

/** A gate that comes with Moiety by its name, with options as keys of the layer; one that was added by its name or as an object. */
function gateSchema() {
  const added = gates.added
  const described = [...gates.builtIn, ...added].map(({ name, description }) => `${name}: ${description}`)
  const objects = added.map(({ schema }) => schema)
  const [first, ...others] = objects
  const schema: z.ZodType<string | GateObject> =
    first === undefined
      ? z.enum(builtInGates)
      : z.union([z.enum(gates.names()), z.discriminatedUnion('name', [first, ...others])])
  return schema.default(gapFc.name).describe(`the network that scores the experts; ${described.join('; ')}`)
}

/** The gate of a layer with every option of it explicit. */
export function completeGate(gate: string | GateObject): GateConfig {
  if (typeof gate !== 'string') return gate
  const builtIn = builtInGates.find(name => name === gate)
  return builtIn ?? { name: gate, ...gates.get(gate).schema.parse({ name: gate }) }
}

/** The gate that a configuration of a layer means. */
export function gateNamed(gate: string | GateObject): GateDefinition {
  return gates.get(typeof gate === 'string' ? gate : String(gate.name))
}

/** What every mixture of experts has, wherever it sits: its experts, its gate and what balances them. */
export const routingShape = () => ({
  experts: z.int().min(1).max(1024).default(4).describe('how many experts the layer has (E)'),
  k: z.int().min(1).max(1024).default(2).describe('how many experts compute each image (K)'),
  gate: gateSchema(),
  ...gapFc.options,
  ...convGapFc.options,
  ...reluGapFc.options,
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
    .enum(['sparse', 'capacity', 'dense'])
    .default('sparse')
    .describe(
      'sparse computes the chosen experts only; capacity, in training, each of them on a fixed number of images, for devices where a number that changes is slow, and refuses a step in which more images choose one; dense, their slow twin, computes all',
    ),
  capacityFactor: z
    .number()
    .gt(0)
    .max(1024)
    .optional()
    .describe(
      'with dispatch capacity, how many images an expert takes: this times K · N / E of a batch of N, rounded up; left out: 2',
    ),
  constraint: z
    .discriminatedUnion('name', constraints.schemas)
    .default({ name: 'none' })
    .describe('what keeps the experts balanced'),
})

export const moeLayerSchema = () =>
  z.strictObject({
    position: z.int().min(0).max(4).describe('where the layer sits: 0 is the stem, 1 to 4 are the stages'),
    style: z
      .enum(['block', 'resblock', 'conv', 'shared'])
      .default('resblock')
      .describe(
        'block: experts replace the stage; resblock: with a shortcut around them; conv: one convolution; shared: the stage stays, and experts are added to it times learned factors that begin at 0',
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
    ...routingShape(),
  })

/**
 * Whether logits carry noise when the configuration leaves it open. Soft constraints do and hard ones do not, as
 * in the paper (METHOD.md §2, §3); the entropy loss and loss-free balancing were published without noise (§8.1,
 * §8.2). A single expert has nothing to choose, so nothing to disturb.
 */
export function defaultNoise(constraint: string, experts: number): boolean {
  return experts > 1 && constraints.get(constraint).noise
}
