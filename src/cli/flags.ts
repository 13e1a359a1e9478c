import type { CheckpointFlags } from './checkpoint-flags.ts'

/** The flags of each command, as commander gives them. A command turns them into a request; nothing below it sees them. */

/** How the categories are sorted. */
export const orders = ['best', 'worst', 'id', 'name'] as const

export interface CompareFlags extends CheckpointFlags {
  readonly latency?: true
  readonly out: string
  readonly charts?: string
  readonly data?: string
  readonly threads?: string
  readonly json?: true
}

export interface GetFlags {
  readonly to: string
  readonly json?: true
}

export interface DataCheckFlags {
  readonly set: readonly string[]
  readonly json?: true
  readonly out?: string
  readonly repair?: string
}

export interface DataCacheFlags {
  readonly json?: true
  readonly dir?: string
  readonly delete?: true
  /** Days. */
  readonly olderThan?: number
}

export interface EvalDetectionsFlags {
  readonly perCategory?: true
  readonly sort: (typeof orders)[number]
  readonly sizes?: string
  readonly json?: true
}

export interface EvalFlags extends CheckpointFlags {
  readonly device?: string
  readonly data?: string
  readonly k?: string
  readonly only?: string
  readonly without?: string
  readonly equal?: true
  readonly split?: string
  readonly json?: true
}

export interface ExplainFlags extends CheckpointFlags {
  readonly device?: string
  readonly out?: string
  readonly charts?: string
  readonly against?: string
  readonly attributes?: string
  readonly data?: string
  readonly split?: string
  readonly threads?: string
  readonly permutations?: string
  readonly json?: true
}

export interface ExportFlags extends CheckpointFlags {
  readonly measure?: true
  readonly threads?: string
  readonly out?: string
  readonly routing: string
  readonly batch?: string
  readonly uint8?: true
  readonly channelsLast?: true
  /** True where no folder was named. */
  readonly safetensors?: string | true
  readonly json?: true
}

export interface PredictFlags extends CheckpointFlags {
  readonly skipUnreadable?: true
  readonly device?: string
  readonly out?: string
  readonly top?: string
  readonly neighbours?: string
  readonly data?: string
  readonly score?: string
  readonly coco?: string
  readonly threads?: string
  readonly json?: true
}

export interface ShowFlags {
  readonly with: readonly string[]
  readonly set: readonly string[]
  readonly json?: true
}

export interface SweepFlags {
  readonly out?: string
  readonly data?: string
  readonly jobs?: string
  readonly dryRun?: true
  /** False for `--no-trial`. */
  readonly trial: boolean
  readonly threads?: string
  /** A run's number in the plan, or its name. */
  readonly run?: string
  /** True where it was given without a URL. */
  readonly queue?: string | true
  readonly queueFile?: string
  readonly detach?: true
  readonly emit?: string
  /** With `emit`: a container image. */
  readonly image?: string
  /** With `emit slurm`: how many tasks an array may have. */
  readonly arrayLimit?: string
  readonly json?: true
}

export interface TableFlags {
  readonly rows?: string
  readonly columns?: string
  readonly value?: string
  readonly baseline?: string
  readonly caption?: string
  readonly label?: string
  readonly charts?: string
  readonly format: string
  readonly out?: string
  readonly json?: true
}

export interface TrainFlags {
  readonly data?: string
  readonly out?: string
  readonly set: readonly string[]
  readonly with: readonly string[]
  readonly seed?: string
  readonly resume?: true
  /** `--resume=auto`, see {@link separateResume}. */
  readonly resumeAuto?: true
  readonly device?: string
  readonly threads?: string
  readonly epochs?: string
  readonly lr?: string
  /** A number, or `auto`. */
  readonly batch?: string
  readonly memory?: string
  readonly size?: string
  readonly findLr?: true
  readonly watch?: true
  readonly json?: true
}

export interface WatchFlags {
  readonly port?: string
  readonly host: string
  /** True where it was given without a value. */
  readonly token?: string | true
  readonly allowHost: readonly string[]
  readonly json?: true
}

export interface WorkerFlags {
  /** True where it was given without a URL. */
  readonly queue?: string | true
  readonly queueFile?: string
  readonly jobs?: string
  readonly threads?: string
  readonly sweeps?: string
  readonly data?: string
  readonly patience?: string
  readonly untilEmpty?: true
}
