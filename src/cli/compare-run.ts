import { compareRuns } from '../analysis/compare-runs.ts'
import type { ComparedLayer, ComparedRun } from '../analysis/comparison.ts'
import { fail } from '../base/errors.ts'
import { nodeDisk } from '../files/disk.ts'
import { replaceFile } from '../files/replace-files.ts'
import { renderComparison } from '../report/comparison-page.ts'
import { taskOfRun } from '../tasks/open-run.ts'
import { writeExplanation } from './explanation-files.ts'
import type { CompareFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { dataChoice, requireFile, requireRun, wholeNumber } from './run-flags.ts'
import { clean, count, duration, type Paint, painter, percent, truncate } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety compare`; returns the exit code. */
export async function runComparison(runs: readonly string[], flags: CompareFlags): Promise<number> {
  for (const run of runs) {
    requireRun(run)
    if (taskOfRun(run).name === 'classification') continue
    fail({
      kind: 'usage',
      message: 'expected runs of classifiers, got that of a detector',
      where: run,
      help: '`moiety explain` shows what a detector does; `moiety table` lays detectors of a sweep side by side',
    })
  }
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const data = await dataChoice(flags.data)
  requireFile(flags.out)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const compared = await compareRuns({
        runs,
        ...(data === undefined ? {} : { data }),
        ...(threads === undefined ? {} : { threads }),
        signal,
        onEvent: progress.show,
        onExplained: writeExplanation,
      })
      const page = renderComparison(compared)
      signal.throwIfAborted()
      progress.end()
      replaceFile(nodeDisk, flags.out, page)
      if (flags.json) return printJson(compared)
      const paint = painter(process.stdout)
      print([comparisonTables(compared, paint), `The page is ${paint.bold(clean(flags.out))}`].join('\n\n'))
    })
  } finally {
    progress.end()
  }
}

const nameWidth = 24

/** Three tables of at most 80 columns: accuracy and cost of each run, then balance and specialisation of each layer. */
export function comparisonTables(runs: readonly ComparedRun[], paint: Paint): string {
  const right = (length: number): ('left' | 'right')[] => [
    'left',
    ...new Array<'right'>(length).fill('right'),
  ]
  const cost = borderless(
    ['run', 'seed', 'top-1', 'top-5', 'parameters', 'active', 'training'],
    paint,
    right(6),
  )
  for (const run of runs)
    cost.push([
      truncate(clean(run.run), nameWidth),
      String(run.seed),
      percent(run.top1),
      percent(run.top5),
      count(run.parameters),
      count(run.activeParameters),
      run.seconds === null ? '–' : duration(run.seconds),
    ])
  const layers = runs.flatMap(run => run.layers.map(layer => ({ run, layer })))
  if (layers.length === 0) return table('Accuracy and cost', cost, paint)
  const balance = borderless(['run', 'layer', 'constraint', 'active', 'CV weight', 'CV choice'], paint, [
    'left',
    'left',
    'left',
    'right',
    'right',
    'right',
  ])
  const special = borderless(
    ['run', 'superclass', 'class', 'image', 'K = 1', `alone`, 'without'],
    paint,
    right(6),
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
    special.push([name, ...specialisation(run, layer)])
  }
  return [
    table('Accuracy and cost', cost, paint),
    table('Balance', balance, paint),
    `${table('Specialisation', special, paint)}\n${paint.dim(
      '  Bits that superclass, class and image tell about the expert; what K = 1, one\n  expert alone, and the lack of one cost, in points of accuracy: the last two as\n  means over active experts, weighted by their mean gate weight.',
    )}`,
  ].join('\n\n')
}

function specialisation({ top1 }: ComparedRun, layer: ComparedLayer): string[] {
  const bits = (value: number | null): string => (value === null ? '–' : value.toFixed(3))
  const points = (value: number | null): string =>
    value === null
      ? '–'
      : (-100 * value)
          .toFixed(1)
          .replace(/^-?0\.0$/, '0.0')
          .replace('-', '−')
  return [
    bits(layer.superclassBits),
    bits(layer.classBits),
    bits(layer.imageBits),
    points(layer.byK[0] === undefined ? null : top1 - layer.byK[0]),
    points(layer.singleDrop),
    points(layer.withoutDrop),
  ]
}

function table(title: string, rows: { toString(): string }, paint: Paint): string {
  return `${paint.bold(title)}\n${rows.toString().replaceAll(/^/gm, ' ')}`
}
