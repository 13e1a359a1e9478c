import type { PlainTensor } from './plain-network.js'

/** A computation that is timed beside Moiety's, ready to run. */
export interface TimedAlternative {
  /** Threads that it takes; null where it does not say. */
  readonly threads: number | null
  /** What must be the same on all sides, before anything is timed: logits of all images, or the losses of the first steps. */
  readonly outputs: () => Promise<number[]>
  /** One run, to its end. */
  readonly run: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Steps of a training whose losses are compared: the second and third tell of the gradients, and of the velocity of SGD. */
export const comparedSteps = 3

/** A training of the plain network as another library has to write it. */
export interface PlainTraining {
  readonly state: ReadonlyMap<string, PlainTensor>
  readonly images: PlainTensor
  /** The class of each image. */
  readonly labels: readonly number[]
  readonly classes: number
  /** SGD with Nesterov's momentum. */
  readonly descent: { readonly rate: number; readonly momentum: number; readonly weightDecay: number }
}

/** The parameters of a state: not the running averages, nor what the optimizer keeps. */
export const trainedValues = (state: ReadonlyMap<string, PlainTensor>): (readonly [string, PlainTensor])[] =>
  [...state].filter(([name]) => /\.(weight|bias)$/.test(name) && !name.startsWith('optimizer.'))
