import { join } from 'node:path'
import { explainDetectorRun } from '../analysis/detection/explain-detector-run.ts'
import type { DetectorFindings, DetectorLayerFindings } from '../analysis/detection/findings.ts'
import { fail } from '../base/errors.ts'
import type { DetectionStats } from '../metrics/detections/index.ts'
import { stoppedBy } from '../run/events.ts'
import { writeDetectorExplanation } from './explanation-files.ts'
import type { ExplainFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless, headline, layerTable } from './report.ts'
import { dataChoice, imagesOf, requireFolder, splitOf, wholeNumber } from './run-flags.ts'
import { clean, duration, type Paint, painter, percent, wrap } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety explain` of a detector; returns the exit code. */
export async function runDetectorExplanation(run: string, flags: ExplainFlags): Promise<number> {
  const began = performance.now()
  const split = splitOf(flags.split)
  for (const flag of ['against', 'charts'] as const)
    if (flags[flag] !== undefined)
      fail({
        kind: 'usage',
        message: `--${flag} is for classifiers, and the run is a detector`,
        where: `--${flag}`,
        help: 'leave it out',
      })
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const permutations = wholeNumber(flags.permutations, '--permutations', 1, 'for example --permutations 2000')
  const data = await dataChoice(flags.data)
  const out = flags.out ?? run
  requireFolder(out)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const explanation = await explainDetectorRun({
        run,
        ...(split === undefined ? {} : { split }),
        signal,
        ...(data === undefined ? {} : { data }),
        ...(threads === undefined ? {} : { threads }),
        ...(permutations === undefined ? {} : { permutations }),
        onEvent: stoppedBy(signal, progress.show),
      })
      signal.throwIfAborted()
      if (explanation === undefined) return
      await writeDetectorExplanation(out, explanation)
      progress.end()
      const { findings } = explanation
      if (flags.json) printJson(findings)
      else {
        const seconds = (performance.now() - began) / 1000
        print(detectorExplanation(findings, { out, seconds }, painter(process.stdout)))
      }
    })
  } finally {
    progress.end()
  }
}

function detectorExplanation(
  { stats, data, layers }: DetectorFindings,
  { out, seconds }: { readonly out: string; readonly seconds: number },
  paint: Paint,
): string {
  return [
    headline({ ...stats }, paint, imagesOf[data.split]),
    ...(data.changes ?? []).map(({ measure, text }) => wrap(`Changes ${measure}: ${clean(text)}`, '  ')),
    ...layers.map(layer => layerReport(layer, paint)),
    ...(layers.length === 0 ? ['The network has no mixture of experts: there is no routing.'] : []),
    `${data.images.toLocaleString('en')} images in ${duration(seconds)}. Look at ${paint.bold(clean(join(out, 'report.html')))}`,
  ].join('\n\n')
}

/** One layer: shares, sizes, and what is found with other experts at work. */
function layerReport(layer: DetectorLayerFindings, paint: Paint): string {
  const stats = { ...layer, importance: layer.share, excluded: [], counters: {} }
  return [
    layerTable(stats, paint),
    sizeTable(layer, paint),
    informationLines(layer),
    precisionTable(layer, paint),
  ].join('\n\n')
}

/** Mean weight of each expert for objects of each size, and the median side of its objects. */
function sizeTable({ sizes, medianArea, count }: DetectorLayerFindings, paint: Paint): string {
  const names = ['small', 'medium', 'large'].map((name, size) => `${name} (${sizes.objects[size] ?? 0})`)
  const table = borderless(['expert', ...names, 'median side'], paint, new Array<'right'>(5).fill('right'))
  for (let expert = 0; expert < count; expert++) {
    const area = medianArea.weighted[expert] ?? null
    table.push([
      String(expert),
      ...sizes.by.weight.map(row => {
        const weight = row[expert] ?? null
        return weight === null ? '–' : percent(weight)
      }),
      area === null ? '–' : `${Math.sqrt(area).toFixed(0)} px`,
    ])
  }
  return table.toString().replaceAll(/^/gm, ' ')
}

function informationLines({ sizes, levels, classes }: DetectorLayerFindings): string {
  const line = (
    what: string,
    { value, chance, p, permutations }: NonNullable<DetectorLayerFindings['levels']>['information'],
    share: number | null = null,
  ): string => {
    const none = p <= 1 / (1 + permutations)
    const part = share === null ? '' : ` (${percent(share)})`
    return wrap(
      `${value.toFixed(3)} bits from ${what}${part}; chance ${chance.toFixed(3)}, p ${none ? '≤' : '='} ${p.toFixed(4)}`,
      '  ',
    )
  }
  const tests = sizes.tests
  return [
    ...(levels === null ? [] : [line('the level', levels.information, levels.share)]),
    ...(tests === null
      ? []
      : [
          line("an object's size", tests.information, tests.share),
          ...(tests.withinLevel === null ? [] : [line('its size, given the level', tests.withinLevel)]),
          ...(tests.v === null || tests.corrected === null
            ? []
            : [
                `  Cramér's V of size and top expert ${tests.v.toFixed(2)}, without bias ${tests.corrected.toFixed(2)}`,
              ]),
        ]),
    ...(classes.tests === null
      ? []
      : [line("an object's class", classes.tests.information, classes.tests.share)]),
  ].join('\n')
}

function precisionTable({ variants, k }: DetectorLayerFindings, paint: Paint): string {
  const table = borderless(['experts at work', 'AP', 'APs', 'APm', 'APl'], paint, [
    'left',
    ...new Array<'right'>(4).fill('right'),
  ])
  const shown = (value: number | null): string => (value === null ? '–' : value.toFixed(3))
  const row = (title: string, { AP, APs, APm, APl }: DetectionStats) =>
    table.push([title, ...[AP, APs, APm, APl].map(shown)])
  for (const [i, one] of variants.single.entries()) row(`${i} alone`, one)
  for (const [i, one] of variants.without.entries()) row(`without ${i}`, one)
  for (const [i, one] of variants.byK.entries()) row(`K = ${i + 1}${i + 1 === k ? ', as trained' : ''}`, one)
  row('equal weights', variants.equal)
  return table.toString().replaceAll(/^/gm, ' ')
}
