import { fail } from '../base/errors.ts'
import type { Config } from '../config/config.ts'
import { classification } from './classification/classification-task.ts'
import { detection } from './detection/detection-task.ts'
import { multiLabel } from './multi-label/multi-label-task.ts'
import type { OpenTaskOptions, Task, TaskKind } from './task.ts'

/** The tasks that there are. */
export const taskKinds: readonly TaskKind[] = [classification, multiLabel, detection]

/** The task that a configuration describes. */
export function kindOfTask(config: Config): TaskKind {
  return (
    taskKinds.find(kind => kind.accepts(config)) ??
    fail({
      kind: 'usage',
      message: `no task has such a configuration: expected one of ${taskKinds.map(({ name }) => name).join(', ')}`,
      where: 'model',
    })
  )
}

/** Opens the task that a configuration describes, with its data. @throws MoietyError `data`, `usage` */
export async function openTask(config: Config, options: OpenTaskOptions = {}): Promise<Task> {
  return await kindOfTask(config).open(config, options)
}
