import type { TrainingConfig } from '../config/config.ts'
import type { Json } from '../files/json.ts'
import { betterOf } from '../metrics/registry.ts'
import { type BestCheckpoint, rememberedBest } from '../tasks/choose-checkpoint.ts'
import type { Evaluated, Task } from '../tasks/task.ts'

/**
 * Which of a training's tests was best, so that the checkpoint after it is kept. As `ModelCheckpoint` of Keras and Lightning does:
 * a test must be better than all before it, so that of equal ones the first counts; what cannot be measured never is.
 */
export class BestSoFar {
  readonly #measure: string
  readonly #sign: 1 | -1
  #best: BestCheckpoint | undefined

  constructor({ best }: Pick<TrainingConfig, 'best'>, { kind }: Pick<Task, 'kind'>) {
    this.#measure = best?.measure ?? kind.measures[0]!.name
    this.#sign = (best?.mode ?? betterOf(this.#measure)) === 'min' ? -1 : 1
  }

  /** Undefined before the first test. */
  get current(): BestCheckpoint | undefined {
    return this.#best
  }

  /** Goes on from what a checkpoint remembers. */
  restore(extra: Json): void {
    const before = rememberedBest(extra)
    // A resume may rank by another measure, and then only compares what comes.
    this.#best = before?.measure === this.#measure ? before : undefined
  }

  /**
   * @param place - of the checkpoint after this test
   * @returns whether it is the best one so far
   */
  consider(
    { loss, measures }: Pick<Evaluated, 'loss' | 'measures'>,
    place: { readonly step: number; readonly epoch: number },
  ): boolean {
    const value = this.#measure === 'loss' ? loss : measures[this.#measure]
    if (value === null || value === undefined || !Number.isFinite(value)) return false
    if (this.#best !== undefined && this.#sign * (value - this.#best.value) <= 0) return false
    this.#best = { measure: this.#measure, value, step: place.step, epoch: place.epoch }
    return true
  }
}
