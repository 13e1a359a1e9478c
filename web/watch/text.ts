import type { RunRow } from '../../src/watch/protocol.ts'

const thin = '\u202f'

/** 12345 → "12 345" */
export function whole(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, thin)
}

/** A number of any size in few letters. */
export function short(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace('e+', 'e')
  if (size >= 1000) return whole(value)
  return String(Number(value.toPrecision(3)))
}

/** Seconds as a person says them. */
export function duration(seconds: number): string {
  const all = Math.max(0, Math.round(seconds))
  if (all < 60) return `${all} s`
  const minutes = Math.floor(all / 60)
  const two = (value: number): string => String(value).padStart(2, '0')
  if (minutes < 60) return `${minutes} min ${two(all % 60)} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${two(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** A measure: accuracies as percentages, others as the literature gives them. */
export function measure(name: string, value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return /^(raw\.)?(top\d|f1)/.test(name) ? `${(100 * value).toFixed(1)}${thin}%` : value.toFixed(3)
}

/** What stands beside the lines of an axis: with more digits where those of the charted values do not tell them apart. */
export function tickTexts(ticks: readonly (number | null)[], text: (value: number) => string): string[] {
  const shown = ticks.map(tick => (tick === null ? '' : text(tick)))
  const filled = shown.filter(one => one !== '')
  if (new Set(filled).size === filled.length) return shown
  return ticks.map(tick => (tick === null ? '' : String(Number(tick.toPrecision(6)))))
}

/** Names of measures that a log has, as they are written. */
const written: Readonly<Record<string, string>> = {
  loss: 'Loss',
  taskLoss: 'Loss of the task',
  auxLoss: 'Loss of the constraint',
  gradientNorm: 'Gradient norm',
  weightNorm: 'Weight norm',
  learningRate: 'Learning rate',
  top1: 'Top-1',
  top5: 'Top-5',
  classificationLoss: 'Classification loss',
  regressionLoss: 'Regression loss',
}

export function titleOf(name: string): string {
  return written[name] ?? name
}

/** The last parts of a key that say what it is: `model.moe.0.constraint.name` → `constraint.name`. */
export function shortKey(key: string): string {
  return key.replace(/^(model\.moe\.\d+|model|training|data)\./, '')
}

/** What a run's state means, in a few words. */
export function stateText({ state, why }: RunRow): string {
  return why === null ? state : `${state}: ${why}`
}

/** How far a run is, as a fraction; 1 for one that is finished, as by early stopping. */
export function progress({ state, step, steps }: RunRow): number {
  if (state === 'finished') return 1
  return steps === null || steps === 0 ? 0 : Math.min(1, step / steps)
}
