import type { State } from '../base/tensor.ts'
import { heldOutSplit } from '../data/index.ts'
import { averagedState } from '../optim/index.ts'
import { rawMeasures } from '../tasks/measures.ts'
import type { Evaluated, Evaluation } from '../tasks/task.ts'
import type { TrainingParts } from './training-parts.ts'
import type { TrainingPrograms } from './training-programs.ts'

/** What a test found, and how long it took. */
export interface TestedEpoch {
  readonly result: Evaluated
  readonly seconds: number
}

/** The network of a training on held-out images. */
export class HeldOutTest {
  /** The split that the training is tested on. */
  readonly split: 'val' | 'test'
  readonly #evaluation: Evaluation

  constructor(
    readonly parts: Pick<TrainingParts, 'config' | 'task' | 'engines' | 'signal' | 'onEvent'>,
    readonly programs: TrainingPrograms,
  ) {
    this.split = heldOutSplit(parts.task.data)
    this.#evaluation = parts.task.evaluation(parts.engines)
  }

  async prepare(): Promise<void> {
    await this.#evaluation.prepare(this.split)
  }

  /** After every so many epochs, and after the last. */
  isDue(epoch: number): boolean {
    const { epochs, evaluateEvery } = this.parts.config.training
    return (epoch + 1) % evaluateEvery === 0 || epoch + 1 === epochs
  }

  /** Undefined when it was interrupted. */
  async run(): Promise<TestedEpoch | undefined> {
    const started = performance.now()
    const isAveraged = this.parts.config.training.ema !== undefined
    const result = isAveraged ? await this.#averaged() : await this.#evaluated()
    return result && { result, seconds: (performance.now() - started) / 1000 }
  }

  async #evaluated(): Promise<Evaluated | undefined> {
    const { onEvent, signal } = this.parts
    const onProgress = (done: number, total: number) =>
      onEvent({ kind: 'progress', what: 'evaluating', done, total })
    return await this.#evaluation.run(this.split, { signal, onProgress })
  }

  /** Tests the average of the weights as well as the weights themselves; the state is then as before. */
  async #averaged(): Promise<Evaluated | undefined> {
    const { task, engines } = this.parts
    const raw = await this.#evaluated()
    if (raw === undefined) return undefined
    const usual = await this.programs.for(task.forms(0)[0]!)
    const set = async (state: State) => {
      await engines[0].setState(state)
      await this.programs.spread(usual)
    }
    const state = await engines[0].readState()
    await set(averagedState(state))
    try {
      const result = await this.#evaluated()
      return result && { ...result, measures: { ...result.measures, ...rawMeasures(raw.measures) } }
    } finally {
      await set(state)
    }
  }
}
