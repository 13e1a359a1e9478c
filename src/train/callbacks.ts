import { z } from 'zod'
import { createNamed } from '../base/component.ts'
import { fail, MoietyError } from '../base/errors.ts'
import type { Callback, EpochReport, StepReport, TrainingControl } from '../config/callback.ts'
import { callbacks as registry } from '../config/callbacks.ts'
import type { TrainingConfig } from '../config/config.ts'
import { reasonOf } from '../files/disk.ts'
import type { Json } from '../files/json.ts'

const memory = z
  .object({ saved: z.array(z.custom<Json>()), reason: z.string().nullable() })
  .catch({ saved: [], reason: null })

/** Those that follow a training: of its configuration, then of the program that runs it. */
export class Callbacks {
  readonly #all: readonly Callback[]
  readonly #control: TrainingControl
  #stopReason: string | undefined

  constructor(
    { callbacks = [] }: Pick<TrainingConfig, 'callbacks'>,
    others: readonly Callback[],
    state: TrainingControl['state'],
  ) {
    this.#all = [...callbacks.map(one => createNamed(registry, one)), ...others]
    this.#control = {
      stop: reason => {
        this.#stopReason ??= String(reason)
      },
      state,
    }
  }

  /** Why one of them has ended the training; undefined while none has. */
  get stopReason(): string | undefined {
    return this.#stopReason
  }

  async step(report: StepReport): Promise<void> {
    for (const one of this.#all) await guarded(() => one.onStep?.(report, this.#control))
  }

  async epoch(report: EpochReport): Promise<void> {
    for (const one of this.#all) await guarded(() => one.onEpoch?.(report, this.#control))
  }

  async end(): Promise<void> {
    for (const one of this.#all) await guarded(() => one.onEnd?.())
  }

  /** For a checkpoint: what each remembers; undefined where none remembers anything. */
  save(): Json | undefined {
    const saved = this.#all.map(one => one.save?.() ?? null)
    const reason = this.#stopReason ?? null
    return reason === null && saved.every(one => one === null) ? undefined : { saved, reason }
  }

  /** Goes on from what `save` returned. */
  restore(json: Json | undefined): void {
    const { saved, reason } = memory.parse(json)
    this.#stopReason = reason ?? undefined
    for (const [i, one] of this.#all.entries()) {
      const own = saved[i]
      if (own !== undefined && own !== null) one.restore?.(own)
    }
  }
}

/** The code is not Moiety's, so what it throws is no bug in Moiety. */
async function guarded(call: () => void | Promise<void>): Promise<void> {
  try {
    await call()
  } catch (cause) {
    if (cause instanceof MoietyError) throw cause
    fail({
      kind: 'usage',
      message: `a callback of this training failed: ${reasonOf(cause)}`,
      where: 'training.callbacks',
      help: 'mend it, and go on with --resume',
      cause,
    })
  }
}
