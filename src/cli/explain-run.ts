import { join } from 'node:path'
import { explainRun } from '../analysis/explain-run.ts'
import type { ExpertFindings, LayerFindings } from '../analysis/findings.ts'
import { taskOfRun } from '../tasks/open-run.ts'
import { runDetectorExplanation } from './explain-detector-run.ts'
import { writeCharts, writeExplanation } from './explanation-files.ts'
import type { ExplainFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless, headline, layerTable } from './report.ts'
import { dataChoice, imagesOf, requireFolder, requireRun, splitOf, wholeNumber } from './run-flags.ts'
import { clean, duration, type Paint, painter, percent, wrap } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** `moiety explain`; returns the exit code. */
export async function runExplanation(run: string, flags: ExplainFlags): Promise<number> {
  requireRun(run)
  if (taskOfRun(run).name === 'detection') return await runDetectorExplanation(run, flags)
  return await explainClassifier(run, flags)
}

async function explainClassifier(run: string, flags: ExplainFlags): Promise<number> {
  const began = performance.now()
  const split = splitOf(flags.split)
  requireRun(run)
  if (flags.against !== undefined) requireRun(flags.against)
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const permutations = wholeNumber(flags.permutations, '--permutations', 1, 'for example --permutations 1000')
  const data = await dataChoice(flags.data)
  const out = flags.out ?? run
  for (const folder of [out, flags.charts]) if (folder !== undefined) requireFolder(folder)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const explanation = await explainRun({
        run,
        ...(split === undefined ? {} : { split }),
        ...(flags.against === undefined ? {} : { against: flags.against }),
        ...(data === undefined ? {} : { data }),
        ...(threads === undefined ? {} : { threads }),
        ...(permutations === undefined ? {} : { permutations }),
        signal,
        onEvent: progress.show,
      })
      const { findings } = explanation
      signal.throwIfAborted()
      await writeExplanation(out, explanation)
      if (flags.charts !== undefined) await writeCharts(flags.charts, findings)
      progress.end()
      if (flags.json) return printJson(findings)
      const paint = painter(process.stdout)
      print(
        [
          headline(
            { top1: findings.accuracy.top1, top5: findings.accuracy.top5 },
            paint,
            imagesOf[findings.data.split],
          ),
          ...findings.layers.map(layer => layerReport(layer, paint)),
          ...(findings.layers.length === 0
            ? ['The network has no mixture of experts: there is no routing.']
            : []),
          `${findings.data.images.toLocaleString('en')} images in ${duration((performance.now() - began) / 1000)}. Look at ${paint.bold(clean(join(out, 'report.html')))}`,
        ].join('\n\n'),
      )
    })
  } finally {
    progress.end()
  }
}

/** One layer: shares, captions, information, and what happens with other experts at work. */
function layerReport(layer: LayerFindings, paint: Paint): string {
  const stats = { ...layer, importance: layer.share, excluded: [], counters: {} }
  return [
    layerTable(stats, paint),
    layer.experts.map(expert => captionLine(expert, paint)).join('\n'),
    informationLines(layer),
    accuracyTable(layer, paint),
    ...agreementLines(layer),
  ].join('\n\n')
}

function captionLine({ expert, caption, silence }: ExpertFindings, paint: Paint): string {
  const text = wrap(clean(caption ?? silence ?? ''), '     ').slice(5)
  return `  ${expert}  ${caption === null ? paint.dim(text) : text}`
}

const bits = (value: number): string => value.toFixed(3)

function informationLines({ information, dependence }: LayerFindings): string {
  const line = (what: string, info: LayerFindings['information']['class']): string => {
    const share = info.share === null ? '' : `, ${percent(info.share)} of the choice`
    const none = info.p <= 1 / (1 + info.permutations)
    return `  ${bits(info.bits)} bits from the ${what}${share}; chance ${bits(info.chance)}, p ${none ? '≤' : '='} ${info.p.toFixed(3)}`
  }
  return [
    ...(information.superclass === null ? [] : [line('superclass', information.superclass)]),
    line('class', information.class),
    `  ${bits(dependence.bits)} bits from the image, of ${bits(dependence.ofMean)} that the shares allow`,
  ].join('\n')
}

function accuracyTable({ variants, count, k }: LayerFindings, paint: Paint): string {
  const table = borderless(['expert', 'alone', 'without it', 'K', 'accuracy'], paint, [
    'right',
    'right',
    'right',
    'right',
    'right',
  ])
  for (let i = 0; i < count; i++) {
    const without = variants.without[i]
    table.push([
      String(i),
      percent(variants.single[i]?.top1 ?? 0),
      without === undefined ? '–' : percent(without.top1),
      `${i + 1}${i + 1 === k ? ' (as trained)' : ''}`,
      percent(variants.byK[i]?.top1 ?? 0),
    ])
  }
  return `${table.toString().replaceAll(/^/gm, ' ')}\n  all with equal weight: ${percent(variants.equal.top1)}`
}

function agreementLines({ agreement }: LayerFindings): string[] {
  if (agreement === null) return []
  const show = (value: number | null): string => (value === null ? '–' : value.toFixed(2))
  const pairs = agreement.pairs.map(
    ({ expert, other, similarity }) => `${expert} ↔ ${other} (${show(similarity)})`,
  )
  return [
    [
      wrap(`beside ${clean(agreement.against)}: ${pairs.join(', ')}; mean ${show(agreement.mean)}`, '  '),
      `  by chance ${show(agreement.chance)}, and below ${show(agreement.chance95)} in 95 of 100 cases`,
    ].join('\n'),
  ]
}
