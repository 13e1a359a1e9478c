import { fail } from '../base/errors.ts'
import { type EvalOptions, type EvalSummary, evaluateRun } from '../tasks/evaluate-run.ts'
import { checkpointChoice } from './checkpoint-flags.ts'
import { deviceChoice } from './device-flag.ts'
import type { EvalFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { costLine, headline, layerTable, preferences, textTable } from './report.ts'
import { dataChoice, imagesOf, requireRun, splitOf, wholeNumber } from './run-flags.ts'
import { clean, type Paint, painter } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety eval`; returns the exit code. */
export async function runEvaluation(run: string, flags: EvalFlags): Promise<number> {
  const options = await evalOptions(run, flags)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const { tables, ...summary } = await evaluateRun({ ...options, signal, onEvent: progress.show })
      progress.end()
      if (flags.json) printJson(summary)
      else print(evalReport({ ...summary, tables }, painter(process.stdout)))
    })
  } finally {
    progress.end()
  }
}

function evalReport(summary: EvalSummary, paint: Paint): string {
  const { split, measures, images, loss, routing, tables, layers, checkpoint, cost } = summary
  return [
    headline(measures, paint, imagesOf[split]),
    `${images.toLocaleString('en')} images, loss ${loss.toFixed(3)}, routing: ${clean(routing)}`,
    `Checkpoint: ${clean(checkpoint)}`,
    costLine(cost),
    ...tables.map(table => textTable(table, paint)),
    ...layers.map(layer => layerTable(layer, paint)),
    ...(layers.length > 0 ? [preferences(layers, paint)] : []),
  ].join('\n\n')
}

const counted = 'experts are counted from 0, as the table of shares shows them'

/** @throws MoietyError of kind `usage` for flags that contradict each other, or a folder that is no run */
export async function evalOptions(run: string, flags: EvalFlags): Promise<EvalOptions> {
  const split = splitOf(flags.split)
  requireRun(run)
  const chosen = (['k', 'only', 'without', 'equal'] as const).filter(flag => flags[flag] !== undefined)
  const exclusive = chosen.find(flag => flag === 'only' || flag === 'equal')
  if (exclusive !== undefined && chosen.length > 1)
    fail({
      kind: 'usage',
      message: `--${exclusive} leaves nothing to choose, so it excludes --${chosen.filter(flag => flag !== exclusive).join(' and --')}`,
      help: 'give one of them',
    })
  const k = wholeNumber(flags.k, '--k', 1, 'for example --k 1')
  const only = wholeNumber(flags.only, '--only', 0, counted)
  const without = wholeNumber(flags.without, '--without', 0, counted)
  const device = deviceChoice(flags.device)
  const data = await dataChoice(flags.data)
  return {
    run,
    ...(device === undefined ? {} : { device }),
    ...checkpointChoice(flags),
    ...(split === undefined ? {} : { split }),
    ...(data === undefined ? {} : { data }),
    ...(k === undefined ? {} : { k }),
    ...(only === undefined ? {} : { only }),
    ...(without === undefined ? {} : { without }),
    ...(flags.equal === undefined ? {} : { equal: flags.equal }),
  }
}
