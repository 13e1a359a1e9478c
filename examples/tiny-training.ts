/**
 * The smallest training there is: a classifier of your own, a step as one program, an engine, a loop. The examples
 * beside this file share it; `moiety train` does the same with epochs, evaluation and checkpoints around it.
 */
import { draws, floats, type HostTensor, type State, scalar, sizeOf } from 'moiety'
import type { Classifier } from 'moiety/models'
import { Engine, type LoadedProgram } from 'moiety/runtime'
import { evaluationProgram } from 'moiety/tasks'
import { trainingStep } from 'moiety/train'

const size = 8
const batch = 64
const seed = 7
const rate = 0.02

/**
 * Stripes on a ground of zero mean: class 0 and 1 are faint, 2 and 3 bold; 0 and 2 lie, 1 and 3 stand.
 *
 * @returns images float32 [batch, 3, 8, 8] and labels int64 [batch]
 */
export function stripes(step: number): { readonly images: HostTensor; readonly labels: HostTensor } {
  const source = draws(seed, 'stripes', step)
  const labels = BigInt64Array.from({ length: batch }, () => BigInt(source.below(4)))
  const pixels = [...labels].flatMap(label => {
    const [bold, standing] = [label >= 2n, label % 2n === 1n]
    const [height, phase] = [(bold ? 2 : 0.5) * source.between(0.8, 1.2), source.below(2)]
    return Array.from({ length: 3 * size * size }, (_, at) => {
      const across = standing ? at % size : Math.floor(at / size) % size
      return (across + phase) % 2 === 0 ? height : -height
    })
  })
  return {
    images: floats([batch, 3, size, size], pixels),
    labels: { dtype: 'int64', shape: [batch], data: labels },
  }
}

/** What a training ends with. */
export interface Trained {
  /** Share of a batch of fresh images that the classifier gets right. */
  readonly accuracy: number
  /** Outputs of {@link evaluationProgram} for that batch. */
  readonly outputs: ReadonlyMap<string, HostTensor>
  readonly labels: HostTensor
  readonly state: State
}

/** Trains a classifier of the four kinds of stripes for some steps, on the processor. */
export async function trainOnStripes(classifier: Classifier, steps: number): Promise<Trained> {
  const step = trainingStep({
    classifier,
    classes: 4,
    batch,
    size,
    optimizer: { name: 'adam', learningRate: rate, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0 },
    labelSmoothing: 0,
    clipNorm: null,
  })
  const engine = await Engine.start({ threads: 1 })
  try {
    await engine.setState(step.initialState(seed))
    const training = await engine.load(step.program)
    for (let number = 0; number < steps; number++) {
      const feeds = new Map(Object.entries({ ...stripes(number), learningRate: scalar(rate) }))
      for (const { name, shape } of step.noise) feeds.set(name, normal(name, shape, number))
      await training.step(feeds, { updates: step.updates, guards: step.guards })
    }
    const evaluation = await engine.load(evaluationProgram({ classifier, size }).program)
    return { ...(await evaluate(evaluation, steps)), state: await engine.readState() }
  } finally {
    await engine.stop()
  }
}

/** Runs a classifier, with the parameters that are in the engine, on images of a step that was not trained. */
async function evaluate(evaluation: LoadedProgram, step: number): Promise<Omit<Trained, 'state'>> {
  const { images, labels } = stripes(step)
  const outputs = await evaluation.run(new Map(Object.entries({ images, labels })))
  return { accuracy: Number(outputs.get('correct1')!.data[0]) / batch, outputs, labels }
}

function normal(name: string, shape: readonly number[], step: number): HostTensor {
  const source = draws(seed, name, step)
  const values = Array.from({ length: sizeOf(shape) }, () => source.normal())
  return floats(shape, values)
}
