import { compareRuns } from '../analysis/compare-runs.ts'
import { type ComparedLayer, type ComparedRun, groupingsOf } from '../analysis/comparison.ts'
import type { LatencyOptions } from '../export/index.ts'
import { nodeDisk } from '../files/disk.ts'
import { replaceFile } from '../files/replace-files.ts'
import { type MeasureDefinition, measureText } from '../metrics/measure.ts'
import { comparisonCharts, renderComparison } from '../report/comparison-page.ts'
import { writeLatency } from '../run/latency.ts'
import { measuresOf } from '../tasks/measures.ts'
import { checkpointChoice } from './checkpoint-flags.ts'
import { writeCharts, writeExplanation } from './explanation-files.ts'
import type { CompareFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { dataChoice, requireFile, requireFolder, requireRun, wholeNumber } from './run-flags.ts'
import { clean, count, duration, type Paint, painter, truncate } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety compare`; returns the exit code. */
export async function runComparison(runs: readonly string[], flags: CompareFlags): Promise<number> {
  for (const run of runs) requireRun(run)
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const data = await dataChoice(flags.data)
  requireFile(flags.out)
  if (flags.charts !== undefined) requireFolder(flags.charts)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      if (flags.latency === true) await measureAll(runs, { threads, signal, onEvent: progress.show })
      const compared = await compareRuns({
        runs,
        data,
        threads,
        ...checkpointChoice(flags),
        signal,
        onEvent: progress.show,
        onExplained: writeExplanation,
      })
      const page = renderComparison(compared)
      signal.throwIfAborted()
      progress.end()
      replaceFile(nodeDisk, flags.out, page)
      if (flags.charts !== undefined) await writeCharts(flags.charts, comparisonCharts(compared))
      if (flags.json) return printJson(compared)
      const paint = painter(process.stdout)
      print([comparisonTables(compared, paint), `The page is ${paint.bold(clean(flags.out))}`].join('\n\n'))
    })
  } finally {
    progress.end()
  }
}

/** Measures how long the exported file of each run takes, and keeps it in the run's folder. */
async function measureAll(runs: readonly string[], options: Omit<LatencyOptions, 'run'>): Promise<void> {
  const { measureLatency } = await import('../export/index.ts')
  for (const run of runs) writeLatency(run, await measureLatency({ ...options, run }))
}

const nameWidth = 24
/** More do not fit into a line of 80 columns. */
const mostMeasures = 2

/** Three tables of at most 80 columns: results and cost of each run, then balance and specialization of each layer. */
export function comparisonTables(runs: readonly ComparedRun[], paint: Paint): string {
  const right = (length: number): ('left' | 'right')[] => [
    'left',
    ...new Array<'right'>(length).fill('right'),
  ]
  const measures = measuresOf(runs[0]?.measures ?? {}).slice(0, mostMeasures)
  const cost = borderless(
    ['run', 'seed', ...measures.map(({ label }) => label), 'parameters', 'active', 'training'],
    paint,
    right(4 + measures.length),
  )
  for (const run of runs)
    cost.push([
      truncate(clean(run.run), nameWidth),
      String(run.seed),
      ...measures.map(one => measureText(one, run.measures[one.name])),
      count(run.parameters),
      count(run.activeParameters),
      run.seconds === null ? '–' : duration(run.seconds),
    ])
  const checkpoints = borderless(['run', 'checkpoint'], paint)
  for (const run of runs) checkpoints.push([truncate(clean(run.run), nameWidth), clean(run.checkpoint)])
  const results = `${table('Results and cost', cost, paint)}\n\n${table('Checkpoints', checkpoints, paint)}`
  const layers = runs.flatMap(run => run.layers.map(layer => ({ run, layer })))
  if (layers.length === 0) return results
  const groupings = groupingsOf(runs)
  const balance = borderless(['run', 'layer', 'constraint', 'active', 'CV weight', 'CV selection'], paint, [
    'left',
    'left',
    'left',
    'right',
    'right',
    'right',
  ])
  const special = borderless(
    ['run', ...groupings, 'input', 'K = 1', 'single', 'left out'],
    paint,
    right(4 + groupings.length),
  )
  for (const { run, layer } of layers) {
    const name = truncate(clean(run.run), nameWidth)
    balance.push([
      name,
      clean(layer.name),
      `${layer.constraint}${layer.kind === 'soft' || layer.kind === 'hard' ? ` (${layer.kind})` : ''}`,
      `${layer.active} of ${layer.count}`,
      layer.cvImportance.toFixed(3),
      layer.cvActivation.toFixed(3),
    ])
    special.push([name, ...specialization(run, layer, groupings)])
  }
  return [
    results,
    table('Balance', balance, paint),
    `${table('Specialization', special, paint)}\n${paint.dim(costWords(measures[0]))}`,
  ].join('\n\n')
}

/** What costs are measured in. */
function costWords(ranking: MeasureDefinition | undefined): string {
  return `  Bits of information about the expert; what K = 1, a single expert, and leaving
  one out cost, in points of ${ranking?.title ?? 'the score'}: the last two as means over
  active experts, weighted by their mean gate weight.`
}

function specialization(
  { score }: ComparedRun,
  layer: ComparedLayer,
  groupings: readonly (keyof ComparedLayer['bits'])[],
): string[] {
  const bits = (value: number | undefined): string => (value === undefined ? '–' : value.toFixed(3))
  const points = (value: number | null): string =>
    value === null
      ? '–'
      : (-100 * value)
          .toFixed(1)
          .replace(/^-?0\.0$/, '0.0')
          .replace('-', '−')
  const one = layer.byK[0] ?? null
  return [
    ...groupings.map(name => bits(layer.bits[name])),
    bits(layer.inputBits),
    points(one === null || score === null ? null : score - one),
    points(layer.singleDrop),
    points(layer.withoutDrop),
  ]
}

function table(title: string, rows: { toString(): string }, paint: Paint): string {
  return `${paint.bold(title)}\n${rows.toString().replaceAll(/^/gm, ' ')}`
}
