import { fail } from '../base/errors.ts'
import type { Config } from '../train/config.ts'
import type { LayerStats, TrainEvent, TrainSummary } from '../train/events.ts'

/** The doors to training and evaluation, opened when a command goes through them. */
export interface TrainOptions {
  readonly config: Config
  readonly run: string
  readonly recipe: string
  readonly resume: boolean
  readonly signal?: AbortSignal
  readonly onEvent?: (event: TrainEvent) => void
}

export interface EvalOptions {
  readonly run: string
  readonly data?: { readonly name: Config['data']['name']; readonly directory: string | null }
  /** How many experts compute each image, instead of as many as in training. */
  readonly k?: number
  /** The one expert that computes every image. */
  readonly only?: number
  /** The expert that is left out. */
  readonly without?: number
  readonly split?: 'test' | 'train'
  readonly onEvent?: (event: TrainEvent) => void
}

export interface EvalSummary {
  readonly run: string
  readonly split: 'test' | 'train'
  readonly images: number
  readonly loss: number
  readonly top1: number
  readonly top5: number
  readonly layers: readonly LayerStats[]
  /** "as trained", or how experts were chosen instead. */
  readonly routing: string
}

interface Trainer {
  readonly train: (options: TrainOptions) => Promise<TrainSummary>
}

interface Evaluator {
  readonly evaluateRun: (options: EvalOptions) => Promise<EvalSummary>
}

export async function train(options: TrainOptions): Promise<TrainSummary> {
  const module = await open('../train/loop.ts')
  return isTrainer(module) ? await module.train(options) : missing('training')
}

export async function evaluateRun(options: EvalOptions): Promise<EvalSummary> {
  const module = await open('../evaluate/index.ts')
  return isEvaluator(module) ? await module.evaluateRun(options) : missing('evaluation')
}

async function open(path: string): Promise<unknown> {
  return await import(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  })
}

const has = (module: unknown, name: string): boolean =>
  typeof module === 'object' && module !== null && typeof Reflect.get(module, name) === 'function'

const isTrainer = (module: unknown): module is Trainer => has(module, 'train')
const isEvaluator = (module: unknown): module is Evaluator => has(module, 'evaluateRun')

const missing = (what: string): never =>
  fail({ kind: 'usage', message: `this build of Moiety has no ${what}` })
