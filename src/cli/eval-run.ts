import { fail } from '../base/errors.ts'
import { type DetectorEvalSummary, evaluateDetectorRun } from '../tasks/detection/evaluate-detector-run.ts'
import { isDetectorRun } from '../tasks/detection/trained-detector.ts'
import { type EvalOptions, type EvalSummary, evaluateRun } from '../tasks/evaluate-run.ts'
import { statsTable } from './detection-tables.ts'
import type { EvalFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { headline, layerTable, preferences } from './report.ts'
import { boxDataChoice, dataChoice, imagesOf, requireRun, splitOf, wholeNumber } from './run-flags.ts'
import { clean, type Paint, painter } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety eval`; returns the exit code. */
export async function runEvaluation(run: string, flags: EvalFlags): Promise<number> {
  requireRun(run)
  const detector = isDetectorRun(run)
  const options = await evalOptions(run, flags, detector ? boxDataChoice : dataChoice)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const request = { ...options, signal, onEvent: progress.show }
      if (detector) {
        const result = await evaluateDetectorRun(request)
        progress.end()
        if (flags.json) printJson(result)
        else print(detectorReport(result, painter(process.stdout)))
      } else {
        const result = await evaluateRun(request)
        progress.end()
        if (flags.json) printJson(result)
        else print(classifierReport(result, painter(process.stdout)))
      }
    })
  } finally {
    progress.end()
  }
}

function classifierReport(result: EvalSummary, paint: Paint): string {
  return [
    headline({ top1: result.top1, top5: result.top5 }, paint, imagesOf[result.split]),
    `${result.images.toLocaleString('en')} images, loss ${result.loss.toFixed(3)}, experts ${clean(result.routing)}`,
    ...result.layers.map(layer => layerTable(layer, paint)),
  ].join('\n\n')
}

/** What a detector reaches: COCO's numbers, then how its experts were used. */
function detectorReport(result: DetectorEvalSummary, paint: Paint): string {
  const { split, stats, images, loss, routing, layers } = result
  return [
    headline({ ...stats }, paint, imagesOf[split]),
    `${images.toLocaleString('en')} images, loss ${loss.toFixed(3)}, experts ${clean(routing)}`,
    statsTable(result, result.sizes, paint),
    ...layers.map(layer => layerTable(layer, paint)),
    ...(layers.length > 0 ? [preferences(layers, paint)] : []),
  ].join('\n\n')
}

const counted = 'experts are counted from 0, as the table of shares shows them'

/** @throws MoietyError of kind `usage` for flags that contradict each other, or a folder that is no run */
export async function evalOptions(
  run: string,
  flags: EvalFlags,
  chooseData: typeof dataChoice = dataChoice,
): Promise<EvalOptions> {
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
  const data = await chooseData(flags.data)
  return {
    run,
    ...(split === undefined ? {} : { split }),
    ...(data === undefined ? {} : { data }),
    ...(k === undefined ? {} : { k }),
    ...(only === undefined ? {} : { only }),
    ...(without === undefined ? {} : { without }),
    ...(flags.equal === undefined ? {} : { equal: flags.equal }),
  }
}
