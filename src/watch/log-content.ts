import { isJsonObject } from '../files/json.ts'
import { withCurrentNames } from '../run/earlier-names.ts'
import type { MetricsLine } from '../run/metrics-line.ts'
import type { AlarmRow, EpochLayer, EpochRow, Gallery, LayerCurves, StepCurves } from './protocol.ts'
import type { StepBuckets } from './step-buckets.ts'

/** Experts of a layer, layers of a step and classes of an image that are shown; Moiety's own logs have fewer. */
const most = { experts: 512, layers: 64, names: 20, text: 1000 } as const

const numberOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null

const numbersOf = (value: unknown): (number | null)[] =>
  Array.isArray(value) ? value.slice(0, most.experts).map(numberOrNull) : []

const textOf = (value: unknown): string => (typeof value === 'string' ? value.slice(0, most.text) : '')

/** Members of a line about a step that are no measurements. */
const notMeasured = new Set(['step', 'epoch', 'layers', 'nonFinite', 'kind'])

/** Members of a line about an epoch that are not measures of the task. */
const ofEpoch = new Set([...notMeasured, 'split', 'loss', 'taskLoss', 'auxLoss', 'seconds'])

/** Names of a layer's columns. A layer's name may have any character but a line break. */
const column = {
  shares: (layer: string, expert: number) => `${layer}\nshares\n${expert}`,
  excluded: (layer: string, expert: number) => `${layer}\nexcluded\n${expert}`,
  counter: (layer: string, counter: string, expert: number) => `${layer}\ncounter ${counter}\n${expert}`,
}

/** Adds what a line about a step has measured. */
export function addStepLine(buckets: StepBuckets, line: MetricsLine): void {
  const bucket = buckets.at(line.step)
  for (const [name, value] of Object.entries(line)) {
    if (notMeasured.has(name) || name.includes('\n')) continue
    if (typeof value === 'number') buckets.put(bucket, name, 'range', value)
  }
  if (!isJsonObject(line.layers)) return
  for (const [name, layer] of Object.entries(line.layers).slice(0, most.layers)) {
    if (!isJsonObject(layer) || !Array.isArray(layer.shares) || name.includes('\n')) continue
    const shares = numbersOf(layer.shares)
    const excluded = new Set(Array.isArray(layer.excluded) ? layer.excluded : [])
    for (const [expert, share] of shares.entries()) {
      if (share !== null) buckets.put(bucket, column.shares(name, expert), 'mean', share)
      buckets.put(bucket, column.excluded(name, expert), 'mean', excluded.has(expert) ? 1 : 0)
    }
    if (!isJsonObject(layer.counters)) continue
    for (const [counter, values] of Object.entries(layer.counters).slice(0, 8)) {
      if (counter.includes('\n')) continue
      for (const [expert, value] of numbersOf(values).entries())
        if (value !== null) buckets.put(bucket, column.counter(name, counter, expert), 'last', value)
    }
  }
}

/** Whether a line has a value that is not finite, see `metrics-line.ts`. */
export function hasNonFinite(line: MetricsLine): boolean {
  return isJsonObject(line.nonFinite)
}

/** A line about an epoch; undefined for any other. */
export function epochRow(line: MetricsLine): EpochRow | undefined {
  const { kind, step, epoch, split } = line
  if (kind !== 'epoch' || typeof epoch !== 'number' || typeof split !== 'string') return undefined
  const measures = Object.entries(line).filter(
    ([name, value]) => !ofEpoch.has(name) && (typeof value === 'number' || value === null),
  )
  return {
    ...{ epoch, step, split: textOf(split) },
    loss: numberOrNull(line.loss),
    seconds: numberOrNull(line.seconds),
    measures: Object.fromEntries(measures.map(([name, value]) => [name, numberOrNull(value)])),
    layers: Array.isArray(line.layers) ? line.layers.slice(0, most.layers).flatMap(epochLayer) : [],
  }
}

function epochLayer(written: unknown): EpochLayer[] {
  const layer = withCurrentNames(written)
  if (!isJsonObject(layer) || typeof layer.name !== 'string') return []
  const counters = isJsonObject(layer.counters) ? Object.entries(layer.counters) : []
  return [
    {
      name: layer.name,
      importance: numbersOf(layer.importance),
      activation: numbersOf(layer.activation),
      excluded: numbersOf(layer.excluded),
      counters: Object.fromEntries(counters.map(([name, values]) => [name, numbersOf(values)])),
      cvImportance: numberOrNull(layer.cvImportance),
      active: numberOrNull(layer.active),
    },
  ]
}

/** A line about a collapse; undefined for any other. */
export function alarmRow({ kind, step, epoch, layer, message }: MetricsLine): AlarmRow | undefined {
  if (kind !== 'alarm') return undefined
  return { step, epoch: Number(numberOrNull(epoch)), layer: textOf(layer), message: textOf(message) }
}

/** What a test has logged of each expert's images, before their pictures are known. */
export interface TestExamples {
  readonly step: number
  readonly split: string
  readonly layers: ReadonlyMap<string, readonly Gallery['images'][]>
}

/** A line about the examples of a test; undefined for any other. */
export function testExamples({ kind, step, split, layers }: MetricsLine): TestExamples | undefined {
  if (kind !== 'examples' || !isJsonObject(layers)) return undefined
  const experts = (written: unknown): Gallery['images'][] =>
    Array.isArray(written) ? written.slice(0, most.experts).map(imagesOf) : []
  return {
    step,
    split: textOf(split),
    layers: new Map(Object.entries(layers).map(([name, written]) => [name, experts(written)])),
  }
}

function imagesOf(written: unknown): Gallery['images'] {
  if (!Array.isArray(written)) return []
  return written.slice(0, most.names).flatMap(one => {
    if (!isJsonObject(one) || typeof one.image !== 'number') return []
    const classes = Array.isArray(one.classes) ? one.classes.slice(0, most.names).map(textOf) : []
    return [{ image: one.image, weight: numberOrNull(one.weight) ?? 0, classes }]
  })
}

/** What the page is to have of a run's steps. */
export interface Wanted {
  /** The first bucket. */
  readonly since?: number
  /** With mixtures. */
  readonly layers: boolean
}

/** Steps in buckets as the page has them. */
export function stepCurves(
  buckets: StepBuckets,
  state: Pick<StepCurves, 'generation' | 'isWhole' | 'tests'>,
  { since = 0, layers }: Wanted,
): StepCurves {
  const filled = buckets.filled(since)
  const measured = buckets.names.filter(name => !name.includes('\n'))
  const curves = measured.flatMap(name => {
    const curve = buckets.curve(name, filled)
    return curve === undefined ? [] : [[name, curve] as const]
  })
  return {
    ...state,
    width: buckets.width,
    steps: buckets.steps(filled),
    curves: Object.fromEntries(curves),
    layers: layers ? layerCurves(buckets, filled) : [],
  }
}

function layerCurves(buckets: StepBuckets, filled: readonly number[]): LayerCurves[] {
  const experts = new Map<string, Map<string, number>>()
  for (const name of buckets.names) {
    const [layer = '', what, expert] = name.split('\n')
    if (what === undefined) continue
    const own = experts.get(layer) ?? new Map<string, number>()
    own.set(what, Math.max(own.get(what) ?? 0, Number(expert) + 1))
    experts.set(layer, own)
  }
  return Array.from(experts, ([name, kinds]): LayerCurves => {
    const rows = (what: string): (number | null)[][] => {
      const columns = Array.from(
        { length: kinds.get(what) ?? 0 },
        (_, expert) => buckets.curve(`${name}\n${what}\n${expert}`, filled)?.mean ?? [],
      )
      return filled.map((_, row) => columns.map(values => values[row] ?? null))
    }
    const excluded = rows('excluded')
    const counters = [...kinds.keys()].filter(what => what.startsWith('counter '))
    return {
      name,
      shares: rows('shares'),
      excluded: excluded.some(row => row.some(value => value !== null && value > 0)) ? excluded : null,
      counters: Object.fromEntries(counters.map(what => [what.slice('counter '.length), rows(what)])),
    }
  })
}
