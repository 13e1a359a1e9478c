import Table from 'cli-table3'
import { shellWord } from '../base/escaping.ts'
import { measureText } from '../metrics/measure.ts'
import { amount } from '../report/figures.ts'
import type { LayerStats, LayerSummary, Measures, NetworkCost, TrainSummary } from '../run/events.ts'
import { measuresOf } from '../tasks/measures.ts'
import type { TextTable } from '../tasks/task.ts'
import { bar, clean, columns, duration, type Paint, percent, truncate } from './screen.ts'

/** The tables at the end of a training or an evaluation, for a terminal of 80 columns. */
const barWidth = 24
const mostRows = 32

/**
 * Everything that `moiety train` says at the end: accuracy, utilization and specialization of experts, and the folder.
 *
 * @param files - with the components that the run needs; what looks at it or continues it loads them again
 */
export function trainReport(summary: TrainSummary, paint: Paint, files: readonly string[] = []): string {
  const run = [shellWord(summary.run), ...files.map(file => `--use ${shellWord(file)}`)].join(' ')
  const what = summary.split === 'val' ? 'validation images' : 'held-out images'
  const preferred = summary.layers.some(layer => layer.preferred.length > 0)
  return [
    ...(Object.keys(summary.measures).length === 0 ? [] : [headline(summary.measures, paint, what)]),
    ...summary.layers.map(layer => layerTable(layer, paint)),
    ...(preferred ? [preferences(summary.layers, paint)] : []),
    ...bestLine(summary),
    `${paint.bold(summary.interrupted ? 'Interrupted' : 'Done')} in ${duration(summary.seconds)}. Everything is in ${paint.bold(clean(summary.run))}`,
    ...(summary.interrupted ? [`Continue with: npx moiety train --resume --out ${run}`] : []),
    ...(preferred && !summary.interrupted ? [`Pictures of all this: npx moiety explain ${run}`] : []),
  ].join('\n\n')
}

/** Which checkpoint is the best one, where it is not the last. */
function bestLine({ best, run, measures }: TrainSummary): string[] {
  if (best === undefined || measures[best.measure] === best.value) return []
  const definition = measuresOf(measures).find(({ name }) => name === best.measure)
  const value = definition === undefined ? best.value.toPrecision(4) : measureText(definition, best.value)
  return [
    `Best ${definition?.label ?? best.measure}: ${value} after epoch ${best.epoch + 1} (step ${best.step}). Use it with: moiety eval ${shellWord(run)} --checkpoint best`,
  ]
}

/** The measures that describe a run best, the ranking one first: `Held-out images   71.3 % top-1   93.1 % top-5`. */
export function headline(measures: Measures, paint: Paint, what: string): string {
  const shown = measuresOf(measures)
    .slice(0, mostHeadlines)
    .map((one, place) => {
      const value = measureText(one, measures[one.name])
      const text = place === 0 ? paint.good(paint.bold(value)) : value
      return one.format === 'percent' ? `${text} ${one.label}` : `${one.label} ${text}`
    })
  return [paint.bold(`On ${what}`), ...shown].join('   ')
}

/** `11.2 M parameters, 5.6 M active; 0.56 G multiply–adds an image` */
export function costLine({
  parameters,
  activeParameters,
  multiplyAdds,
}: Omit<NetworkCost, 'multiplyAdds'> & { readonly multiplyAdds: number | null }): string {
  const active = activeParameters === parameters ? '' : `, ${amount(activeParameters)} active for an image`
  const cost = multiplyAdds === null ? '' : `; ${amount(multiplyAdds)} multiply–adds an image`
  return `${amount(parameters)} parameters${active}${cost}`
}

/** More do not fit into a line of 80 columns. */
const mostHeadlines = 5

/** One layer: each expert's mean gate weight and selection rate; below, active experts and CV. */
export function layerTable(layer: LayerStats, paint: Paint): string {
  const experts = layer.importance.length
  const hard = layer.excluded.some(fraction => fraction > 0)
  const table = borderless(
    ['expert', 'mean gate weight', '', 'selection rate', ...(hard ? ['excluded'] : [])],
    paint,
    ['right', 'left', 'right', 'right', 'right'],
  )
  const largest = Math.max(2 / experts, ...layer.importance)
  for (const [expert, share] of layer.importance.slice(0, mostRows).entries())
    table.push([
      String(expert),
      bar(share / largest, barWidth),
      percent(share),
      percent(layer.activation[expert] ?? 0),
      ...(hard ? [percent(layer.excluded[expert] ?? 0)] : []),
    ])
  const active = `${layer.active} of ${experts} experts active`
  return [
    paint.bold(clean(layer.name)),
    table.toString().replaceAll(/^/gm, ' '),
    ...(experts > mostRows ? [`  and ${experts - mostRows} more experts`] : []),
    `  ${layer.active === experts ? paint.good(active) : paint.warn(active)}   ` +
      `CV ${variation(layer.cvImportance)} of weight, ${variation(layer.cvActivation)} of selection`,
  ].join('\n')
}

const variation = (value: number) => (Number.isFinite(value) ? value.toFixed(3) : '–')

/** The classes that give each expert more weight than all images do, beyond chance, most first. */
export function preferences(layers: readonly LayerSummary[], paint: Paint): string {
  const blocks = layers.flatMap(({ name, preferred }) => {
    if (preferred.length === 0) return []
    const label = preferred.reduce((widest, { expert }) => Math.max(widest, String(expert).length), 0)
    const lines = preferred.slice(0, mostRows).map(({ expert, classes }) => {
      const start = `  ${`${expert}`.padStart(label)}  `
      const list = classes.map(one => `${clean(one.name)} ×${one.lift.toFixed(1)}`).join(', ')
      return start + truncate(list === '' ? '–' : list, columns - start.length)
    })
    return [`${clean(name)}\n${lines.join('\n')}`]
  })
  const title = 'Classes that each expert prefers'
  const meaning = paint.dim('×2: twice its mean weight; beyond chance')
  return [`${paint.bold(title)}  ${meaning}`, ...blocks].join('\n')
}

/** A task's own table. */
export function textTable({ title, heads, rows }: TextTable, paint: Paint): string {
  const table = borderless(
    [...heads],
    paint,
    heads.map(() => 'left' as const),
  )
  for (const row of rows) table.push(row.map(clean))
  return `${paint.bold(clean(title))}\n${table.toString().replaceAll(/^/gm, ' ')}`
}

/** A table without lines, two columns in from the left; cli-table3 measures letters that are two columns wide. */
export function borderless(head: string[], paint: Paint, align: ('left' | 'right')[] = []): Table.Table {
  const sides = ['top', 'bottom', 'left', 'right', 'mid']
  const names = sides.flatMap(side => [
    side,
    `${side}-left`,
    `${side}-mid`,
    `${side}-right`,
    `${side}-${side}`,
  ])
  return new Table({
    head: head.map(title => paint.dim(title)),
    colAligns: align.slice(0, head.length),
    chars: { ...Object.fromEntries(names.map(name => [name, ''])), middle: ' ' },
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': 0 },
  })
}
