import { fail } from '../base/errors.ts'
import { nearest } from '../config/shape.ts'
import { canonicalJson, type Json, type JsonObject } from '../files/json.ts'
import { createPairedTest, type PairedTest, type Test } from '../metrics/paired-permutation-test.ts'
import { axisNamed, seedLabel, textOf } from './axes.ts'
import type { Outcome, Status } from './outcome.ts'
import type { RecordedRun, SweepRecord } from './sweep-folder.ts'
import type { Measure } from './table-values.ts'

/** Runs that differ in nothing but the seed (or, where the seed is a row or column, one run). */
export interface Cell {
  readonly values: JsonObject
  readonly planned: number
  /** How many of them have the number; mean and deviation are over these. */
  readonly count: number
  readonly mean: number | null
  /** Of the sample (divisor n − 1); null for fewer than two. */
  readonly deviation: number | null
  /** How many there are of each status. */
  readonly statuses: Readonly<Partial<Record<Status, number>>>
  /** Against the baseline, over the seeds that both have; null where there is nothing to compare. */
  readonly test: PairedTest | null
  readonly isBaseline: boolean
}

/** A line or column: the text of each of its axes; a dash where one does not apply. */
export type Heading = readonly string[]

/** A table of a sweep: every planned run is counted in exactly one cell. */
export interface SweepTable {
  readonly measure: Measure
  readonly rowAxes: readonly string[]
  readonly columnAxes: readonly string[]
  readonly rows: readonly Heading[]
  readonly columns: readonly Heading[]
  /** By row and column; null where nothing was planned. */
  readonly cells: readonly (readonly (Cell | null)[])[]
  /** In words; null without one. */
  readonly baseline: string | null
  readonly seeds: readonly number[]
  /** Runs that are in no mean, with what became of them. */
  readonly absent: readonly { readonly run: string; readonly status: Status; readonly message: string }[]
  readonly planned: number
}

/** How a table is laid out. */
export interface Layout {
  /** Labels or keys of axes, or `seed`. What differs and is in neither becomes a row. */
  readonly rows?: readonly string[] | undefined
  readonly columns?: readonly string[] | undefined
  readonly measure: Measure
  /** Instead of the sweep's own; null for none. */
  readonly baseline?: JsonObject | null | undefined
}

/**
 * Lays out a sweep's runs. Each cell has the runs of one combination, whatever became of them: those that are not finished
 * are reported next to the mean of the others.
 *
 * @throws MoietyError `usage` for an axis or baseline that the sweep does not have
 */
export function sweepTable(
  record: SweepRecord,
  outcomes: ReadonlyMap<string, Outcome>,
  layout: Layout,
): SweepTable {
  const { measure } = layout
  const { rowAxes, columnAxes } = arranged(record, layout)
  const baseline = baselineOf(record, layout.baseline)
  const groups = new Map<string, RecordedRun[]>()
  const bySeed = rowAxes.includes(seedLabel) || columnAxes.includes(seedLabel)
  for (const run of record.runs) {
    const key = canonicalJson(bySeed ? [run.values, run.seed] : run.values)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [run])
    else group.push(run)
  }
  const numbers = new Map(
    record.runs.map(run => [run.name, measure.of(outcomes.get(run.name) ?? { status: 'missing' }, run.name)]),
  )
  const findBaseline = baseline === null || bySeed ? () => undefined : baselineFinder(groups, baseline)
  const test = createPairedTest()
  const rows = new Map<string, { heading: Heading; cells: Map<string, Cell> }>()
  const columns = new Map<string, Heading>()
  for (const runs of groups.values()) {
    const [run] = runs
    if (run === undefined) continue
    const heading = headingOf(run, rowAxes)
    const column = headingOf(run, columnAxes)
    columns.set(column.join('\0'), column)
    const key = heading.join('\0')
    const row = rows.get(key) ?? { heading, cells: new Map<string, Cell>() }
    rows.set(key, row)
    row.cells.set(column.join('\0'), cellOf(runs, { numbers, outcomes, baseline: findBaseline(run), test }))
  }
  return {
    measure,
    rowAxes,
    columnAxes,
    rows: Array.from(rows.values(), ({ heading }) => heading),
    columns: [...columns.values()],
    cells: Array.from(rows.values(), ({ cells }) =>
      Array.from(columns.keys(), key => cells.get(key) ?? null),
    ),
    baseline: baseline === null || bySeed ? null : inWords(baseline),
    seeds: record.seeds,
    absent: record.runs.flatMap(({ name }) => {
      const outcome = outcomes.get(name) ?? { status: 'missing' as const }
      if (outcome.status === 'done') return []
      return [{ run: name, status: outcome.status, message: 'message' in outcome ? outcome.message : '' }]
    }),
    planned: record.runs.length,
  }
}

/** Rows and columns: as asked for; else the last axis in columns and the others in rows. Nothing that differs is left out. */
function arranged(
  record: SweepRecord,
  layout: Layout,
): { readonly rowAxes: string[]; readonly columnAxes: string[] } {
  const labels = record.axes.map(({ label }) => label)
  const named = (texts: readonly string[], where: string): string[] =>
    texts.map(text => {
      const label = text === seedLabel ? seedLabel : axisNamed(record.axes, text)?.label
      if (label !== undefined) return label
      const guess = nearest(text, [...labels, seedLabel])
      return fail({
        kind: 'usage',
        message: `"${text}" does not vary in this sweep`,
        where,
        help:
          guess === undefined
            ? `the varying settings are ${[...labels, seedLabel].join(', ')}`
            : `did you mean ${guess}?`,
      })
    })
  const rows = named(layout.rows ?? [], '--rows')
  const asked = layout.columns === undefined ? undefined : named(layout.columns, '--columns')
  const both = [...rows, ...(asked ?? [])]
  const twice = both.find((label, i) => both.indexOf(label) < i)
  if (twice !== undefined)
    fail({
      kind: 'usage',
      message: `${twice} was named twice`,
      where: '--rows, --columns',
      help: 'name it once',
    })
  const free = labels.filter(label => !both.includes(label))
  const columnAxes = asked ?? (free.length > 0 && labels.length > 1 ? free.slice(-1) : [])
  return { rowAxes: [...rows, ...free.filter(label => !columnAxes.includes(label))], columnAxes }
}

function headingOf({ values, seed }: RecordedRun, axes: readonly string[]): string[] {
  return axes.map(label => {
    if (label === seedLabel) return String(seed)
    const value = ownValue(values, label)
    return value === undefined ? '–' : textOf(value)
  })
}

const ownValue = (values: JsonObject, label: string): Json | undefined =>
  Object.hasOwn(values, label) ? values[label] : undefined

function cellOf(
  runs: readonly RecordedRun[],
  {
    numbers,
    outcomes,
    baseline,
    test,
  }: {
    readonly numbers: ReadonlyMap<string, number | null>
    readonly outcomes: ReadonlyMap<string, Outcome>
    readonly baseline: readonly RecordedRun[] | undefined
    readonly test: Test
  },
): Cell {
  const found = runs.flatMap(({ name }) => numbers.get(name) ?? [])
  const mean = found.length === 0 ? null : found.reduce((a, b) => a + b, 0) / found.length
  const squares = found.reduce((total, value) => total + (value - (mean ?? 0)) ** 2, 0)
  const statuses: Partial<Record<Status, number>> = {}
  for (const { name } of runs) {
    const status = outcomes.get(name)?.status ?? 'missing'
    statuses[status] = (statuses[status] ?? 0) + 1
  }
  const isBaseline = baseline !== undefined && baseline[0]?.name === runs[0]?.name
  const twins = new Map(baseline?.map(twin => [twin.seed, twin.name]))
  const pairs = runs.flatMap(({ name, seed }): [number, number][] => {
    const twin = twins.get(seed)
    const [own, other] = [numbers.get(name), twin === undefined ? null : numbers.get(twin)]
    return own === null || own === undefined || other === null || other === undefined ? [] : [[own, other]]
  })
  return {
    values: runs[0]?.values ?? {},
    planned: runs.length,
    count: found.length,
    mean,
    deviation: found.length < 2 ? null : Math.sqrt(squares / (found.length - 1)),
    statuses,
    test: isBaseline || pairs.length === 0 ? null : test(pairs),
    isBaseline,
  }
}

/** @throws MoietyError `usage` for a baseline that names no axis or no value of it */
function baselineOf(record: SweepRecord, asked: JsonObject | null | undefined): JsonObject | null {
  const baseline = asked === undefined ? record.baseline : asked
  if (baseline === null) return null
  return Object.fromEntries(
    Object.entries(baseline).map(([text, value]) => {
      const axis = axisNamed(record.axes, text)
      const known = axis?.values.find(
        one => canonicalJson(one) === canonicalJson(value) || textOf(one) === value,
      )
      if (axis !== undefined && known !== undefined) return [axis.label, known]
      return fail({
        kind: 'usage',
        message:
          axis === undefined
            ? `"${text}" does not vary in this sweep`
            : `${text} is never ${textOf(value)} in this sweep`,
        where: '--baseline',
        help:
          axis === undefined
            ? `the varying settings are ${record.axes.map(({ label }) => label).join(', ')}`
            : `its values are ${axis.values.map(textOf).join(', ')}`,
      })
    }),
  )
}

/**
 * The runs that a combination is compared with: those with the baseline's values, and otherwise with its own. What does not
 * apply to the baseline, as no constraint does to a plain network, need not be equal.
 */
function baselineFinder(
  groups: ReadonlyMap<string, readonly RecordedRun[]>,
  baseline: JsonObject,
): (run: RecordedRun) => readonly RecordedRun[] | undefined {
  const without = (values: JsonObject, labels: readonly string[]): string =>
    canonicalJson(Object.fromEntries(labels.map(label => [label, ownValue(values, label) ?? null])))
  const byLabels = new Map<string, { labels: string[]; groups: Map<string, readonly RecordedRun[]> }>()
  for (const runs of groups.values()) {
    const values = runs[0]?.values ?? {}
    const fits = Object.entries(baseline).every(
      ([label, value]) => canonicalJson(ownValue(values, label) ?? null) === canonicalJson(value),
    )
    if (!fits) continue
    const labels = Object.keys(values).filter(label => !Object.hasOwn(baseline, label))
    const entry = byLabels.get(labels.join('\0')) ?? { labels, groups: new Map() }
    byLabels.set(labels.join('\0'), entry)
    entry.groups.set(without(values, labels), runs)
  }
  return run => {
    for (const { labels, groups: candidates } of byLabels.values()) {
      const found = candidates.get(without(run.values, labels))
      if (found !== undefined) return found
    }
    return undefined
  }
}

const inWords = (baseline: JsonObject): string =>
  Object.entries(baseline)
    .map(([label, value]) => `${label} ${textOf(value)}`)
    .join(', ')
