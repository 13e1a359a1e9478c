/**
 * A training that only lacks what runs its programs: images from arrays, augmented, a network with a mixture of experts, noise and
 * a schedule, and an evaluation of what was learned.
 */
import { globalAveragePool, type Program, relu } from 'moiety/graph'
import type { Classifier } from 'moiety/models'
import { gapFc, importance, mixtureOfExperts } from 'moiety/moe'
import { conv, type Layer, linear } from 'moiety/nn'
import {
  channelStatistics,
  classifierOf,
  draws,
  epochOrder,
  evaluationProgram,
  type HostTensor,
  makeBatch,
  resolveConfig,
  type Split,
  scheduleAt,
  splitOfArrays,
  stepFeeds,
  trainingStep,
} from 'moiety/step'

const size = 8
const classes = 4
const batch = 16
const seed = 5
const stepsPerEpoch = 3
const epochs = 2

/** Values by the names of a program's inputs or outputs. */
export type Values = ReadonlyMap<string, HostTensor>

/** Prepares a program; what it gives runs it, on all of its inputs, to all of its outputs. */
export type Load = (program: Program) => Promise<(inputs: Values) => Promise<Values>>

/** What a training went through, and what it has reached. */
export interface Trained {
  readonly losses: readonly number[]
  readonly gradientNorms: readonly number[]
  /** [N, E]: how the mixture weighs the images that were evaluated. */
  readonly weights: readonly number[]
  /** Cross-entropy of the images that were evaluated, summed. */
  readonly loss: number
}

const config = resolveConfig(
  {
    model: {
      stem: 'cifar',
      width: 4,
      moe: [{ position: 4, experts: 3, k: 2, constraint: { name: 'relative' } }],
    },
    optimizer: { name: 'sgd', learningRate: 0.01 },
    schedule: { name: 'cosine' },
    training: { epochs },
  },
  'test/in-browser/training.ts',
)

const expert: Layer = (scope, x) => relu(conv(scope, x, { outputs: 8, kernel: 3, bias: true }))

/** Networks that can be trained: one of a few lines, and one from a configuration. */
export const networks = {
  own: (scope, pixels) => {
    const { output, losses, stats } = scope.in('mixture', inner =>
      mixtureOfExperts(inner, pixels, {
        experts: [expert, expert, expert],
        gate: gapFc,
        k: 2,
        constraint: importance({ weight: 0.5 }),
      }),
    )
    const logits = scope.in('fc', inner => linear(inner, globalAveragePool(output), classes))
    return { logits, losses, stats }
  },
  configured: classifierOf(config.model, { classes }),
} satisfies Readonly<Record<string, Classifier>>

/** Trains a network for a few steps and evaluates it. */
export async function train(name: keyof typeof networks, load: Load): Promise<Trained> {
  const classifier: Classifier = networks[name]
  const split = colours(stepsPerEpoch * batch)
  const { optimizer, schedule } = config
  const step = trainingStep({
    ...{ classifier, classes, batch, size, optimizer },
    labelSmoothing: 0.1,
    clipNorm: 1,
  })
  const run = await load(step.program)
  const state = new Map(step.initialState(seed))
  const metrics: Values[] = []
  for (let number = 0; number < epochs * stepsPerEpoch; number++) {
    const epoch = Math.floor(number / stepsPerEpoch)
    const from = (number % stepsPerEpoch) * batch
    const indices = epochOrder(split.length, seed, epoch).subarray(from, from + batch)
    const rate = scheduleAt(schedule, optimizer, { step: number, stepsPerEpoch, epochs })
    const feeds = stepFeeds(step, await feedsOf(split, indices, epoch), { step: number, epoch, rate }, seed)
    const outputs = await run(new Map([...state, ...feeds]))
    for (const [output, tensor] of step.updates) state.set(tensor, outputs.get(output)!)
    metrics.push(outputs)
  }

  const evaluation = evaluationProgram({ classifier, size })
  const needed = new Set(evaluation.program.inputs.map(input => input.name))
  const inputs = new Map([...state, ...(await feedsOf(split, [0, 1, 2, 3, 4]))])
  const evaluate = await load(evaluation.program)
  const outputs = await evaluate(new Map([...inputs].filter(([input]) => needed.has(input))))
  const valuesOf = (from: Values, output: string) => Array.from(from.get(output)!.data, Number)
  return {
    losses: metrics.flatMap(step => valuesOf(step, 'loss')),
    gradientNorms: metrics.flatMap(step => valuesOf(step, 'gradientNorm')),
    weights: valuesOf(outputs, `${evaluation.layers[0]!.name}.weights`),
    loss: valuesOf(outputs, 'loss')[0]!,
  }
}

/** Images of noise, in which the class makes one of the channels brighter, or none. */
function colours(count: number): Split & { readonly pixels: Uint8Array } {
  const plane = size * size
  const labels = Int32Array.from({ length: count }, (_, image) => image % classes)
  const source = draws(seed, 'colours')
  const pixels = Uint8Array.from({ length: count * 3 * plane }, (_, at) => {
    const isBright = Math.floor(at / plane) % 3 === labels[Math.floor(at / plane / 3)]
    return source.below(120) + (isBright ? 100 : 0)
  })
  return { ...splitOfArrays({ pixels, labels, size }), pixels }
}

/** Images and labels; augmented where an epoch is given. */
async function feedsOf(
  split: ReturnType<typeof colours>,
  indices: Uint32Array | readonly number[],
  epoch?: number,
): Promise<Values> {
  const augmentation = {
    flip: 0.5,
    crop: { padding: 1, mode: 'reflect' },
    jitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
  } as const
  const { images, labels } = await makeBatch(split, indices, {
    ...channelStatistics(split.pixels, size * size),
    ...(epoch === undefined ? {} : { augmentation }),
    ...{ seed, classes, epoch: epoch ?? 0 },
  })
  return new Map([
    ['images', images],
    ['labels', labels],
  ])
}
