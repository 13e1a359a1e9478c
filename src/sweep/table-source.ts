import { basename, join } from 'node:path'
import { fail, MoietyError } from '../base/errors.ts'
import { nearest } from '../base/schemas.ts'
import { parseCsv } from '../files/csv.ts'
import type { Json, JsonObject } from '../files/json.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'
import { type Latency, readLatency } from '../run/latency.ts'
import { type LearningPoint, learningCurveOf } from '../run/learning-curve.ts'
import { metricsPath, readMetrics } from '../run/metrics-log.ts'
import { measuresOf } from '../tasks/measures.ts'
import { taskMeasures } from '../tasks/task-measures.ts'
import { seedLabel } from './axes.ts'
import { measureAtPath } from './document-values.ts'
import type { Outcome, Status } from './outcome.ts'
import { outcomesUnless } from './run-sweep.ts'
import { requireRecord, type SweepRecord } from './sweep-folder.ts'
import { type Measure, measureNamed, measureNames, usualMeasure } from './table-values.ts'

/** What a table is laid out from: the folder of a sweep, or a CSV with a line a run as `--rows runs` writes it. */
export interface TableSource {
  readonly record: SweepRecord
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** What is shown where nothing is named: in a table of means, and in one of runs. */
  readonly usual: string
  readonly usualOfRuns: readonly string[]
  /** @throws MoietyError `usage` for a name that no run has */
  measure(name: string): Measure
  /** What only a finished run's own folder has: nothing in a CSV. */
  filesOf(run: string): RunFiles
}

/** Of a finished run: how long its exported file takes, if that was measured, and what it reached after each epoch. */
interface RunFiles {
  readonly latency: Latency | null
  readonly learning: readonly LearningPoint[]
}

/** @throws MoietyError `usage` for what is neither, `data` for a CSV of another form, `disk` */
export async function tableSource(place: string, signal: AbortSignal): Promise<TableSource> {
  if (place.toLowerCase().endsWith('.csv')) return csvSource(place)
  const record = requireRecord(place)
  const outcomes = await outcomesUnless(signal, place, record.runs)
  const usual = usualMeasure(outcomes.values())
  const done = [...outcomes.values()].flatMap(one => (one.status === 'done' ? [one] : []))
  const measured = new Set(done.flatMap(({ measures }) => measuresOf(measures).map(({ name }) => name)))
  const layers = [...new Set(done.flatMap(one => one.layers.map(({ name }) => name)))].sort()
  const ofLayers = ['cvImportance', 'cvActivation', 'active']
  const several = done.some(one => one.layers.length > 1)
  return {
    record,
    outcomes,
    usual,
    usualOfRuns: [
      ...(measured.size === 0 ? [usual] : measured),
      'seconds',
      ...(several ? layers.flatMap(layer => ofLayers.map(name => `${name}.${layer}`)) : []),
      ...(!several && layers.length > 0 ? ofLayers : []),
    ],
    measure: name =>
      measureNamed(name, outcomes.values(), () => measureAtPath(place, outcomes, name, measureNames)),
    filesOf: run => ({ latency: readLatency(join(place, run)), learning: curveOf(join(place, run)) }),
  }
}

/** The learning curve of a finished run; none where its log is missing or damaged, which a page is drawn without. */
function curveOf(run: string): LearningPoint[] {
  try {
    return learningCurveOf(readMetrics(metricsPath(run)))
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    return []
  }
}

/** The columns of a table of runs before what varies, and those between that and the values. */
export const runColumn = 'run'
export const statusColumn = 'status'

const statuses = [
  'done',
  'missing',
  'interrupted',
  'running',
  'failed',
  'altered',
] as const satisfies readonly Status[]

/**
 * A CSV with the columns `run`, what varies, `seed`, `status` and then values, of which each is a measure.
 *
 * @throws MoietyError `data` for other columns and for what is no number
 */
function csvSource(file: string): TableSource {
  const text = new TextDecoder().decode(readRegular(file, sizeLimits.sweepRecord))
  const [head, ...lines] = parseCsv(text, file)
  const names = (head?.fields ?? []).map(name => name.replace(/^\ufeff/, ''))
  const [seedAt, statusAt] = [names.indexOf(seedLabel), names.indexOf(statusColumn)]
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (names[0] !== runColumn || seedAt < 1 || statusAt !== seedAt + 1 || twice !== undefined)
    return fail({
      kind: 'data',
      message:
        twice === undefined
          ? `expected the columns run, what varies, seed, status and values, came ${names.join(', ')}`
          : `the column ${twice} is there twice`,
      where: file,
      help: '`moiety table SWEEP --rows runs --format csv` writes such a file',
    })
  const axes = names.slice(1, seedAt)
  const runs = lines.map(({ fields, line }) => {
    const where = `${file}, line ${line}`
    const numberAt = (at: number): number | null => {
      const field = fields[at] ?? ''
      if (field === '') return null
      const value = Number(field)
      return Number.isFinite(value)
        ? value
        : fail({
            kind: 'data',
            message: `expected a number or nothing for ${names[at]}, came "${field}"`,
            where,
          })
    }
    const status = statuses.find(one => one === fields[statusAt])
    if (status === undefined)
      fail({
        kind: 'data',
        message: `expected a status (${statuses.join(', ')}), came "${fields[statusAt]}"`,
        where,
      })
    const seed = numberAt(seedAt)
    if (seed === null || !Number.isSafeInteger(seed))
      return fail({
        kind: 'data',
        message: `expected a whole number as seed, came "${fields[seedAt]}"`,
        where,
      })
    const numbers = new Map(names.slice(statusAt + 1).map((name, i) => [name, numberAt(statusAt + 1 + i)]))
    const values: JsonObject = Object.fromEntries(
      axes.flatMap((axis, i) => (fields[1 + i] === '' ? [] : [[axis, axisValue(fields[1 + i] ?? '')]])),
    )
    return { name: fields[0] ?? '', seed, status, values, numbers }
  })
  const record: SweepRecord = {
    format: 1,
    name: basename(file).replace(/\.csv$/i, ''),
    title: basename(file).replace(/\.csv$/i, ''),
    description: '',
    recipe: '',
    axes: axes.map(label => ({
      label,
      key: label,
      values: [...new Set(runs.flatMap(({ values }) => values[label] ?? []))],
    })),
    seeds: [...new Set(runs.map(({ seed }) => seed))],
    baseline: null,
    runs: runs.map(({ name, seed, values }) => ({ name, hash: '', seed, values })),
  }
  const columns = names.slice(statusAt + 1)
  const byRun = new Map(runs.map(({ name, numbers }) => [name, numbers]))
  return {
    record,
    outcomes: new Map(runs.map(({ name, status, numbers }) => [name, outcomeOf(status, numbers)])),
    usual: columns.find(name => taskMeasures.some(one => one.name === name)) ?? columns[0] ?? 'top1',
    usualOfRuns: columns,
    measure: name => columnMeasure(name, columns, byRun),
    filesOf: () => ({ latency: null, learning: [] }),
  }
}

/** A number where it is one, so that axes are sorted and written as those of a sweep. */
function axisValue(field: string): Json {
  return field.trim() !== '' && Number.isFinite(Number(field)) && String(Number(field)) === field
    ? Number(field)
    : field
}

function outcomeOf(status: Status, numbers: ReadonlyMap<string, number | null>): Outcome {
  if (status === 'failed' || status === 'altered') return { status, message: '' }
  if (status !== 'done') return { status }
  const of = (name: string): number | null => numbers.get(name) ?? null
  const [parameters, activeParameters, multiplyAdds] = [
    of('parameters'),
    of('activeParameters'),
    of('multiplyAdds'),
  ]
  return {
    status,
    measures: Object.fromEntries(numbers),
    seconds: of('seconds'),
    cost:
      parameters === null || activeParameters === null || multiplyAdds === null
        ? null
        : { parameters, activeParameters, multiplyAdds },
    layers: [],
  }
}

function columnMeasure(
  name: string,
  columns: readonly string[],
  byRun: ReadonlyMap<string, ReadonlyMap<string, number | null>>,
): Measure {
  if (!columns.includes(name)) {
    const guess = nearest(name, columns)
    return fail({
      kind: 'usage',
      message: `there is no value "${name}"`,
      where: '--value',
      help: guess === undefined ? `the values are ${columns.join(', ')}` : `did you mean ${guess}?`,
    })
  }
  // Names and units of the values that sweeps have; any other number as it is.
  const known = measureNames.includes(name.split('.')[0] ?? '') ? measureNamed(name, []) : undefined
  return {
    ...(known ?? { key: name, title: name, scale: 1, digits: 3 }),
    of: (_, run) => byRun.get(run)?.get(name) ?? null,
  }
}
