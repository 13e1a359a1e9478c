import { join } from 'node:path'
import { type ExplainOptions, explainRun } from '../analysis/explain-run.ts'
import {
  type DetectionExtras,
  type ExpertFindings,
  type Findings,
  type GroupingFindings,
  groupingOf,
  imageFindings,
  type LayerFindings,
} from '../analysis/findings.ts'
import { measureText } from '../metrics/measure.ts'
import { reportCharts } from '../report/page.ts'
import { measuresOf } from '../tasks/measures.ts'
import { checkpointChoice } from './checkpoint-flags.ts'
import { deviceChoice } from './device-flag.ts'
import { writeCharts, writeExplanation } from './explanation-files.ts'
import type { ExplainFlags } from './flags.ts'
import { print, printJson } from './output.ts'
import { createProgress } from './progress.ts'
import { borderless, costLine, headline, layerTable } from './report.ts'
import { dataChoice, imagesOf, requireFolder, requireRun, splitOf, wholeNumber } from './run-flags.ts'
import { clean, duration, type Paint, painter, percent, wrap } from './screen.ts'
import { endedBySignal } from './signals.ts'

/** What `moiety explain` was asked for. */
interface ExplainRequest {
  readonly options: ExplainOptions
  readonly out: string
  readonly charts: string | undefined
  readonly json: boolean
}

/** `moiety explain`; returns the exit code. */
export async function runExplanation(run: string, flags: ExplainFlags): Promise<number> {
  const began = performance.now()
  const { options, out, charts, json } = await requestOf(run, flags)
  const progress = createProgress(process.stderr)
  try {
    return await endedBySignal(async signal => {
      const explanation = await explainRun({ ...options, signal, onEvent: progress.show })
      const { findings } = explanation
      signal.throwIfAborted()
      await writeExplanation(out, explanation)
      if (charts !== undefined) await writeCharts(charts, reportCharts(findings))
      progress.end()
      if (json) return printJson(findings)
      const paint = painter(process.stdout)
      const seconds = (performance.now() - began) / 1000
      print(
        [
          explanationReport(findings, paint),
          `${findings.data.images.toLocaleString('en')} images in ${duration(seconds)}. Look at ${paint.bold(clean(join(out, 'report.html')))}`,
        ].join('\n\n'),
      )
    })
  } finally {
    progress.end()
  }
}

/** @throws MoietyError `usage` for flags that cannot be, and places that cannot be written to */
async function requestOf(run: string, flags: ExplainFlags): Promise<ExplainRequest> {
  requireRun(run)
  const { against, attributes, charts, out = run } = flags
  const split = splitOf(flags.split)
  if (against !== undefined) requireRun(against)
  const threads = wholeNumber(flags.threads, '--threads', 1, 'for example --threads 2')
  const permutations = wholeNumber(flags.permutations, '--permutations', 1, 'for example --permutations 1000')
  const device = deviceChoice(flags.device)
  const data = await dataChoice(flags.data)
  for (const folder of [out, charts]) if (folder !== undefined) requireFolder(folder)
  const options = {
    run,
    against,
    attributes,
    split,
    threads,
    device,
    permutations,
    data,
    ...checkpointChoice(flags),
  }
  return { options, out, charts, json: flags.json === true }
}

function explanationReport(findings: Findings, paint: Paint): string {
  const { layers, measures, data, extras, run } = findings
  const changes = (extras?.task === 'detection' ? extras.changes : undefined) ?? []
  return [
    headline(measures, paint, imagesOf[data.split]),
    costLine(run),
    ...(run.which === undefined ? [] : [`Checkpoint: ${clean(run.which)}`]),
    ...changes.map(({ measure, text }) => wrap(`Changes ${measure}: ${clean(text)}`, '  ')),
    ...layers.map((layer, index) => layerReport(findings, layer, index, paint)),
    ...(layers.length === 0 ? ['The network has no mixture of experts: there is no routing.'] : []),
  ].join('\n\n')
}

/** One layer: shares, what its experts are given, information, and what happens with other experts selected. */
function layerReport(findings: Findings, layer: LayerFindings, index: number, paint: Paint): string {
  const stats = { ...layer, importance: layer.share, excluded: [], counters: {} }
  const captions = imageFindings(findings, index)?.experts
  const { measures } = findings
  const sizes = groupingOf(layer, 'size')
  const own = findings.extras?.layers[index]
  const areas = own !== undefined && 'medianArea' in own ? own.medianArea : undefined
  return [
    layerTable(stats, paint),
    ...(captions === undefined ? [] : [captions.map(expert => captionLine(expert, paint)).join('\n')]),
    ...(sizes === undefined || areas === undefined ? [] : [sizeTable(sizes, areas, paint)]),
    informationLines(layer),
    variantsTable(layer, measures, paint),
    ...agreementLines(layer),
  ].join('\n\n')
}

function captionLine({ expert, caption, noCaptionReason }: ExpertFindings, paint: Paint): string {
  const text = wrap(clean(caption ?? noCaptionReason ?? ''), '     ').slice(5)
  return `  ${expert}  ${caption === null ? paint.dim(text) : text}`
}

/** Mean weight of each expert for objects of each size, and the median side of its objects. */
function sizeTable(
  { names, counts, affinity }: GroupingFindings,
  { weighted }: DetectionExtras['layers'][number]['medianArea'],
  paint: Paint,
): string {
  const heads = names.map((name, size) => `${name} (${counts[size] ?? 0})`)
  const table = borderless(['expert', ...heads, 'median side'], paint, new Array<'right'>(5).fill('right'))
  for (const [expert, area] of weighted.entries())
    table.push([
      String(expert),
      ...affinity.weight.map(row => {
        const weight = row[expert] ?? null
        return weight === null ? '–' : percent(weight)
      }),
      area === null ? '–' : `${Math.sqrt(area).toFixed(0)} px`,
    ])
  return indented(table)
}

function indented(table: { toString(): string }): string {
  return table.toString().replaceAll(/^/gm, ' ')
}

const bits = (value: number): string => value.toFixed(3)

function informationLines({ groupings, attributes, dependence, inputs }: LayerFindings): string {
  const line = (
    what: string,
    { value, chance, p, permutations }: NonNullable<GroupingFindings['withinLevel']>,
    share: number | null = null,
  ): string => {
    const none = p <= 1 / (1 + permutations)
    const part = share === null ? '' : `, ${percent(share)} of the choice`
    return wrap(
      `${bits(value)} bits from the ${what}${part}; chance ${bits(chance)}, p ${none ? '≤' : '='} ${p.toFixed(p < 0.001 ? 4 : 3)}`,
      '  ',
    )
  }
  return [
    ...groupings.flatMap(({ name, information, withinLevel, association }) => [
      ...(information === null ? [] : [line(name, information, information.share)]),
      ...(withinLevel === null ? [] : [line(`${name}, given the level`, withinLevel)]),
      ...(name !== 'size' || association === null
        ? []
        : [
            `  Cramér's V of size and top expert ${association.v.toFixed(2)}, without bias ${association.corrected.toFixed(2)}`,
          ]),
    ]),
    ...attributes.flatMap(({ name, information, givenClass, classGiven, givenLevel }) =>
      information === null
        ? []
        : [
            line(name, information, information.share),
            ...(givenLevel === null ? [] : [line(`${name}, given the level`, givenLevel)]),
            ...(givenClass === null ? [] : [line(`${name}, given the class`, givenClass)]),
            ...(classGiven === null ? [] : [line(`class, given ${name}`, classGiven)]),
          ],
    ),
    `  ${bits(dependence.bits)} bits from the image${inputs === 1 ? '' : ' and level'}, of ${bits(dependence.ofMean)} that the shares allow`,
  ].join('\n')
}

/** More columns do not fit. */
const mostMeasures = 5

/** What the network reaches with other experts selected in this layer. */
function variantsTable({ variants, k }: LayerFindings, trained: Findings['measures'], paint: Paint): string {
  const { single, without, byK, equal } = variants
  const all = [...single, ...without, ...byK, equal]
  const shown = measuresOf(trained)
    .filter(({ name }) => all.some(({ measures }) => name in measures))
    .slice(0, mostMeasures)
  const table = borderless(['experts selected', ...shown.map(({ label }) => label)], paint, [
    'left',
    ...shown.map(() => 'right' as const),
  ])
  const row = (title: string, measures: Findings['measures']) =>
    table.push([title, ...shown.map(one => measureText(one, measures[one.name]))])
  row('as trained', trained)
  for (const [i, { measures }] of single.entries()) row(`single expert ${i}`, measures)
  for (const [i, { measures }] of without.entries()) row(`without expert ${i}`, measures)
  for (const [i, { measures }] of byK.entries())
    row(`K = ${i + 1}${i + 1 === k ? ', as trained' : ''}`, measures)
  row('equal weights', equal.measures)
  return indented(table)
}

function agreementLines({ agreement }: LayerFindings): string[] {
  if (agreement === null) return []
  const show = (value: number | null): string => (value === null ? '–' : value.toFixed(2))
  const pairs = agreement.pairs.map(
    ({ expert, other, similarity }) => `${expert} ↔ ${other} (${show(similarity)})`,
  )
  return [
    [
      wrap(
        `compared with ${clean(agreement.against)}: ${pairs.join(', ')}; mean ${show(agreement.mean)}`,
        '  ',
      ),
      `  by chance ${show(agreement.chance)}, and below ${show(agreement.chance95)} in 95 of 100 cases`,
    ].join('\n'),
  ]
}
