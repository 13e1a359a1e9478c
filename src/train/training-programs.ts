import { type HostTensor, sizeOf } from '../base/tensor.ts'
import type { Engines } from '../runtime/engines.ts'
import type { Engine, LoadedProgram, StepResult } from '../runtime/index.ts'
import type { BatchForm } from '../tasks/objective.ts'
import type { TaskBatch } from '../tasks/task.ts'
import { firstNonFinite } from './diagnose.ts'
import { addGradients, ofPart, type PartPasses, type SharedStep, writeSharedStep } from './shared-step.ts'
import {
  refuseExceeded,
  type StepFacts,
  type TrainingStep,
  type WriteStepOptions,
  writeStep,
} from './step.ts'
import { passFeeds, rateFeeds, type StepMoment, stepFeeds } from './step-feeds.ts'

/** What knows its training step for batches of any form. */
export interface StepWriter {
  /** What the step for batches of a form is written from. */
  write(form: BatchForm): WriteStepOptions
  /** Where it is known. */
  readonly stepsPerEpoch?: number
  /** Parts of a batch that each engine computes one after the other. Default: 1. */
  readonly accumulate?: number
}

/** Steps of an epoch beyond which the memory of the rest's program counts for more than its time. */
const longEpoch = 16

/** A training step that only lacks its batch. */
export interface ReadyStep {
  readonly facts: StepFacts
  /** Names of the state without the optimizer's: what the engines after the first one have. */
  readonly model: readonly string[]
  /**
   * Takes the step: the first engine's state becomes what follows, unless something is not finite.
   *
   * @throws MoietyError as `LoadedProgram.step`, and `usage` where more images chose an expert than it takes; the state is then as
   *   it was
   */
  take(batch: TaskBatch, moment: StepMoment): Promise<StepResult>
  /** After a step that was not finite: the label of the first tensor that is not. */
  firstNonFinite(batch: TaskBatch, moment: StepMoment): Promise<string | undefined>
  /** Releases its programs; it cannot be used any more. */
  release(): Promise<void>
}

/**
 * The training step for every form of batch that occurs: an epoch's last batch may be smaller than the others, and images
 * may lie on canvases of several shapes. All of them share the state of the first engine; with more than one, each computes
 * its part of a batch.
 */
export class TrainingPrograms {
  readonly #ready = new Map<string, ReadyStep>()
  /** Images of the largest batch so far. */
  #most = 0

  constructor(
    readonly engines: Engines,
    readonly task: StepWriter,
    readonly seed: number,
  ) {}

  /** Whether the step for batches of a form is there already. */
  has(form: BatchForm): boolean {
    return this.#ready.has(keyOf(form))
  }

  /** The step for batches of a form. */
  async for(form: BatchForm): Promise<ReadyStep> {
    const key = keyOf(form)
    const known = this.#ready.get(key)
    if (known !== undefined) return known
    const made = await this.#made(form)
    this.#ready.set(key, made)
    return made
  }

  async #made(form: BatchForm): Promise<ReadyStep> {
    const { engines, task, seed } = this
    const [first, ...others] = engines
    this.#most = Math.max(this.#most, form.images)
    // The rest of an epoch, or on each canvas: once in it.
    const seldom = form.images < this.#most && (task.stepsPerEpoch ?? 0) > longEpoch
    const { accumulate = 1 } = task
    if (others.length === 0 && accumulate === 1) {
      const step = writeStep(task.write(form))
      const loaded = await first.load(step.program, { seldom, updates: updatesOf(step) })
      return new WholeStep(first, step, loaded, seed)
    }
    const step = writeSharedStep(task.write(form), engines.length, accumulate)
    const loads = new Map<string, Promise<LoadedProgram>>()
    const parts = await Promise.all(
      step.sizes.map(async (size, part) => {
        const passes = step.passes.get(size)!
        const place = part % engines.length
        const engine = engines[place]!
        const key = `${size} on ${place}`
        const loading = loads.get(key) ?? engine.load(passes.program, { seldom })
        loads.set(key, loading)
        return { size, passes, engine, loaded: await loading }
      }),
    )
    // The other engines wait meanwhile, so it has all threads.
    const threads = engines.reduce((total, engine) => total + engine.threads, 0)
    const finishing = await first.load(step.finish, { threads, seldom, updates: updatesOf(step) })
    return new DividedStep(engines, step, parts, finishing, seed)
  }

  /** Releases all programs and their memory; those needed again are built again. */
  async release(): Promise<void> {
    const steps = [...this.#ready.values()]
    this.#ready.clear()
    await Promise.all(steps.map(step => step.release()))
  }

  /** Gives the other engines the model that the first one has: to be called whenever its state was set. */
  async spread(step: ReadyStep): Promise<void> {
    const [, ...others] = this.engines
    // What they have of another network.
    await Promise.all(others.map(engine => engine.setState(new Map())))
    await spread(this.engines, step.model)
  }
}

/** What a step makes of the state, without what is also reported. */
export function updatesOf({
  updates,
  guards,
}: Pick<TrainingStep, 'updates' | 'guards'>): Map<string, string> {
  return new Map([...updates].filter(([output]) => !guards.includes(output)))
}

const keyOf = ({ images, height, width }: BatchForm): string => `${images}×${height}×${width}`

/** Gives the engines after the first one its model. */
async function spread([first, ...others]: Engines, model: readonly string[]): Promise<void> {
  if (others.length === 0) return
  const shared = await first.share(model)
  await Promise.all(others.map(engine => engine.adopt(shared)))
}

/** @throws MoietyError (usage) for a step that did not count because more images chose an expert than it takes */
function counted(facts: StepFacts, result: StepResult): StepResult {
  if (!result.committed) refuseExceeded(facts, result.outputs)
  return result
}

/** One engine computes the whole batch. */
class WholeStep implements ReadyStep {
  constructor(
    readonly engine: Engine,
    readonly facts: TrainingStep,
    readonly loaded: LoadedProgram,
    readonly seed: number,
  ) {}

  get model(): readonly string[] {
    return this.facts.model
  }

  async take(batch: TaskBatch, moment: StepMoment): Promise<StepResult> {
    const { updates, guards } = this.facts
    return counted(this.facts, await this.loaded.step(this.#feeds(batch, moment), { updates, guards }))
  }

  async firstNonFinite(batch: TaskBatch, moment: StepMoment): Promise<string | undefined> {
    return await firstNonFinite(this.engine, this.facts.diagnosis(), this.#feeds(batch, moment))
  }

  async release(): Promise<void> {
    await this.loaded.release()
  }

  #feeds({ feeds }: TaskBatch, moment: StepMoment): Map<string, HostTensor> {
    return stepFeeds(this.facts, feeds, moment, this.seed)
  }
}

/** Where a part of a batch is computed. */
interface Part {
  /** Its images. */
  readonly size: number
  readonly passes: PartPasses
  readonly engine: Engine
  readonly loaded: LoadedProgram
}

/** Each engine computes its parts; the first one takes the step, and tells the others. */
class DividedStep implements ReadyStep {
  constructor(
    readonly engines: Engines,
    readonly facts: SharedStep,
    readonly parts: readonly Part[],
    readonly finishing: LoadedProgram,
    readonly seed: number,
  ) {}

  get model(): readonly string[] {
    return this.facts.model
  }

  async take(batch: TaskBatch, moment: StepMoment): Promise<StepResult> {
    const { updates, guards, model, finish } = this.facts
    const feeds = this.#feeds(batch, moment)
    const needed = new Set(finish.inputs.map(({ name }) => name))
    const found = (
      await Promise.all(this.engines.map((_, place) => this.#passesOf(place, feeds, needed)))
    ).flat()
    const given = [...found, ...rateFeeds(this.facts, moment)].filter(([name]) => needed.has(name))
    const result = await this.finishing.step(new Map(given), { updates, guards, transfer: true })
    // All of them, also those that had no part of a small batch: they evaluate, and have one of the next.
    if (result.committed) await spread(this.engines, model)
    return counted(this.facts, result)
  }

  /** Runs the parts of an engine one after the other, and adds up their gradients, so that no more than two are in memory. */
  async #passesOf(
    place: number,
    feeds: readonly Map<string, HostTensor>[],
    needed: ReadonlySet<string>,
  ): Promise<(readonly [string, HostTensor])[]> {
    const found: (readonly [string, HostTensor])[] = []
    let sums: ReadonlyMap<string, HostTensor> | undefined
    for (let part = place; part < this.parts.length; part += this.engines.length) {
      const outputs = await this.parts[part]!.loaded.run(feeds[part]!, { transfer: true })
      if (sums === undefined) sums = outputs
      else addGradients(sums, outputs)
      for (const [name, tensor] of outputs) {
        const input = ofPart(part, name)
        if (needed.has(input)) found.push([input, tensor])
      }
    }
    return found
  }

  async firstNonFinite(batch: TaskBatch, moment: StepMoment): Promise<string | undefined> {
    for (const [part, feeds] of this.#feeds(batch, moment).entries()) {
      const { engine, passes } = this.parts[part]!
      const label = await firstNonFinite(engine, passes.diagnosis(), feeds)
      if (label !== undefined) return label
    }
    return undefined
  }

  async release(): Promise<void> {
    const loaded = new Set([this.finishing, ...this.parts.map(part => part.loaded)])
    await Promise.all([...loaded].map(one => one.release()))
  }

  /** What each part is fed: its images, the same rates for all, and noise of its own. */
  #feeds({ feeds }: TaskBatch, moment: StepMoment): Map<string, HostTensor>[] {
    let from = 0
    return this.parts.map(({ size, passes }, part) => {
      const to = from + size
      const own = new Map([...feeds].map(([name, tensor]) => [name, rowsOf(tensor, from, to)]))
      from = to
      const { needsEpoch } = this.facts
      return passFeeds({ needsEpoch, noise: passes.noise }, own, moment, this.seed, part)
    })
  }
}

/** Some of the images, [N, …] → [to − from, …]. */
function rowsOf({ dtype, shape, data }: HostTensor, from: number, to: number): HostTensor {
  const size = sizeOf(shape.slice(1))
  return { dtype, shape: [to - from, ...shape.slice(1)], data: data.slice(from * size, to * size) }
}
