import type { Callback } from '../config/callback.ts'
import type { Config } from '../config/config.ts'
import type { TrainEvent } from '../run/events.ts'
import type { RunFolder } from '../run/run-folder.ts'
import type { Engines } from '../runtime/engines.ts'
import type { Task } from '../tasks/task.ts'

/** What a training works with. */
export interface TrainingParts {
  readonly config: Config
  readonly task: Task
  readonly engines: Engines
  readonly folder: RunFolder
  readonly signal: AbortSignal | undefined
  readonly onEvent: (event: TrainEvent) => void
  /** Besides those that the configuration names. */
  readonly callbacks: readonly Callback[]
}
