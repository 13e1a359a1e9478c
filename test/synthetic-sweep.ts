import type { Outcome } from '../src/sweep/outcome.ts'
import type { SweepRecord } from '../src/sweep/sweep-folder.ts'
import type { SweepPage, SweepRun } from '../src/sweep/sweep-page.ts'
import { sweepTable } from '../src/sweep/sweep-table.ts'
import { measureNamed } from '../src/sweep/table-values.ts'

/** A synthetic sweep: hostile names, explained and unexplained runs, and every state of unfinished runs. */
export function syntheticSweep(): SweepPage {
  const constraints = ['none', 'importance', '<b>kl</b>', `${'relative'.repeat(20)}`]
  const positions = [1, 4]
  const seeds = [42, 43]
  const runs = constraints.flatMap(constraint =>
    positions.flatMap(position =>
      seeds.map(seed => ({
        name: `constraint-${constraint.replace(/\W+/g, '-')}-position-${position}-seed-${seed}`,
        hash: '',
        seed,
        values: { constraint, position },
      })),
    ),
  )
  const record: SweepRecord = {
    format: 1,
    name: 'made-up',
    title: 'A sweep <that> never was',
    description: 'What it asks, with a name like حصان in it.',
    recipe: 'made-up',
    axes: [
      { label: 'constraint', key: 'constraint', values: constraints },
      { label: 'position', key: 'model.moe.0.position', values: positions },
    ],
    seeds,
    baseline: { constraint: 'none' },
    runs,
  }
  const absent: readonly Outcome[] = [
    { status: 'failed', message: `the loss is NaN, at ${'layer4.'.repeat(30)}<script>` },
    { status: 'missing' },
    { status: 'interrupted' },
  ]
  const outcomes = new Map(
    runs.map(({ name, values }, i): [string, Outcome] => {
      if (i % 5 === 4) return [name, absent[Math.floor(i / 5)] ?? { status: 'running' }]
      const cvImportance = 0.02 + ((i * 7) % 11) / 9
      return [
        name,
        {
          status: 'done',
          measures: { top1: 0.5 + ((i * 5) % 13) / 100, top5: 0.8 },
          seconds: 1200 + 40 * i,
          layers: [
            {
              name: `layer${values.position}`,
              importance: [0.1, 0.2, 0.3, 0.4],
              cvImportance,
              cvActivation: cvImportance,
              active: 4 - (i % 3),
              byK: i % 2 === 0 ? [0.4, 0.5, 0.52, 0.53].map(value => value + i / 200) : null,
            },
          ],
        },
      ]
    }),
  )
  const tableOf = (value: string) =>
    sweepTable(record, outcomes, { measure: measureNamed(value, outcomes.values()) })
  return {
    title: record.title,
    description: record.description,
    seriesAxis: 'constraint',
    runs: runs.map(
      ({ name, values }): SweepRun => ({
        name,
        series: values.constraint,
        group: `${values.constraint}, ${values.position}`,
        latency: null,
        learning: [],
        outcome: outcomes.get(name) ?? { status: 'missing' },
      }),
    ),
    tables: [tableOf('top1'), tableOf('cvImportance')],
  }
}
