import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { resolveConfig } from '../config/config.ts'
import { nodeDisk } from '../files/disk.ts'
import { replaceFile } from '../files/replace-files.ts'
import type { Prediction } from '../predict/predict-run.ts'
import { predictRun } from '../predict/predict-run.ts'
import { renderPredictions } from '../report/prediction-page.ts'
import { readConfig } from '../run/run-folder.ts'
import type { PredictFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless } from './report.ts'
import { dataChoice, requireFile, requireRun, wholeNumber } from './run-flags.ts'
import { bar, clean, columns, type Paint, painter, percent, truncate } from './screen.ts'
import { endedBySignal } from './signals.ts'

const barWidth = 24

/** `moiety predict`; returns the exit code. */
export async function runPrediction(
  run: string,
  images: readonly string[],
  flags: PredictFlags,
): Promise<number> {
  requireRun(run)
  if (resolveConfig(readConfig(run), run).model.detector !== null) {
    const { runDetections } = await import('./predict-detector.ts')
    return await runDetections(run, images, flags)
  }
  refuseFlags(flags)
  const top = wholeNumber(flags.top, '--top', 1, 'for example --top 5')
  const neighbours = wholeNumber(flags.neighbours, '--neighbours', 0, 'for example --neighbours 8')
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const data = await dataChoice(flags.data)
  const out = flags.out ?? join(run, 'prediction.html')
  requireFile(out, images)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const result = await predictRun({
        run,
        images,
        ...(top === undefined ? {} : { top }),
        ...(neighbours === undefined ? {} : { neighbours }),
        ...(threads === undefined ? {} : { threads }),
        ...(data === undefined ? {} : { data }),
        signal,
        onEvent: progress.show,
      })
      const page = renderPredictions(result)
      signal.throwIfAborted()
      progress.end()
      replaceFile(nodeDisk, out, page)
      if (flags.json) return printJson(result)
      const paint = painter(process.stdout)
      print(
        [
          ...result.predictions.map(prediction => described(prediction, paint)),
          `The pictures are in ${paint.bold(clean(out))}`,
        ].join('\n\n'),
      )
    })
  } finally {
    progress.end()
  }
}

/** Flags that only say something to detectors. */
function refuseFlags(flags: PredictFlags): void {
  const flag = (['score', 'coco'] as const).find(one => flags[one] !== undefined)
  if (flag === undefined) return
  fail({
    kind: 'usage',
    message: `--${flag} is for detectors, but the run is a classifier`,
    where: `--${flag}`,
    help: 'leave it out',
  })
}

function described({ path, classes, layers, neighbours }: Prediction, paint: Paint): string {
  const table = borderless(['class', 'probability', ''], paint, ['left', 'right', 'left'])
  for (const { name, probability } of classes)
    table.push([truncate(clean(name), 36), percent(probability), bar(probability, barWidth)])
  const experts = layers.map(layer => {
    const shares = layer.experts.map(({ expert, weight }) => `${expert} (${percent(weight)})`)
    return `  ${clean(layer.name)}: expert ${shares.join(', ')}`
  })
  const strangers = neighbours.filter(({ sameRoute }) => !sameRoute).length
  const near = neighbours.map(({ name }) => clean(name)).join(', ')
  return [
    paint.bold(clean(path)),
    table.toString().replaceAll(/^/gm, ' '),
    ...experts,
    ...(neighbours.length === 0 ? [] : [`  ${truncate(`most like: ${near}`, columns - 2)}`]),
    ...(strangers === 0
      ? []
      : [`  too few went to the same experts: the last ${strangers} of these went to others`]),
  ].join('\n')
}
