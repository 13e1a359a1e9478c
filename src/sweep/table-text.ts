import type { Status } from './outcome.ts'
import type { Cell, SweepTable } from './sweep-table.ts'

/** How a table's cells and the notes below it are worded, alike in all formats. */

const order = ['running', 'interrupted', 'failed', 'altered', 'missing'] as const satisfies readonly Status[]

/** p at or below this is marked. */
export const level = 0.05

/** A number in its measure's unit. */
export function numberText(value: number, { scale, digits }: SweepTable['measure'], extra = 0): string {
  const text = (scale * value).toFixed(digits + extra)
  return Number(text) === 0 ? text.replace('-', '') : text.replace('-', '−')
}

/** What is not finished, of a cell: "1 failed, 2 missing"; empty where all is. */
export function absentText({ statuses }: Cell): string {
  return order
    .flatMap(status => (statuses[status] === undefined ? [] : [`${statuses[status]} ${status}`]))
    .join(', ')
}

/**
 * `57.9 ± 0.2`, `57.9 (1 of 2; 1 failed)`, `2 missing`; a dash where nothing was planned, or the runs have no such number. A star
 * marks a difference to the baseline.
 */
export function cellText(cell: Cell | null, table: SweepTable): string {
  if (cell === null) return ''
  const absent = absentText(cell)
  if (cell.mean === null) return absent === '' ? '–' : absent
  const mean = numberText(cell.mean, table.measure)
  const spread = cell.deviation === null ? '' : ` ± ${numberText(cell.deviation, table.measure)}`
  const star = cell.test !== null && cell.test.p <= level ? '*' : ''
  const part = cell.count < cell.planned ? [`${cell.count} of ${cell.planned}`] : []
  const notes = [...part, ...(absent === '' ? [] : [absent])].join('; ')
  return `${mean}${spread}${star}${notes === '' ? '' : ` (${notes})`}`
}

/** `+0.42, p 0.25`: the difference to the baseline; empty where there is nothing to compare. */
export function differenceText(cell: Cell | null, { measure }: SweepTable): string {
  if (cell === null) return ''
  if (cell.isBaseline) return 'baseline'
  if (cell.test === null) return '–'
  const { difference, p } = cell.test
  const text = numberText(difference, measure, 1)
  return `${difference > 0 && !text.startsWith('−') ? '+' : ''}${text}, p ${p < 0.001 ? '<0.001' : p.toFixed(3)}`
}

const mostNamed = 30

/** What a reader must know besides the numbers. */
export function notesOf(table: SweepTable): string[] {
  const { seeds, absent, planned, baseline } = table
  const counts = order.flatMap(status => {
    const count = absent.filter(run => run.status === status).length
    return count === 0 ? [] : [`${count} ${status}`]
  })
  const named = absent
    .filter(({ status }) => status !== 'missing')
    .map(({ run, status, message }) => `${run}: ${status}${message === '' ? '' : `, ${message}`}`)
  const isSpread = table.cells.some(row => row.some(cell => cell !== null && cell.planned > 1))
  const spread =
    seeds.length === 1
      ? `One seed, ${seeds[0]}: there is no deviation.`
      : `± is the standard deviation of the sample over the seeds ${seeds.length > 12 ? `(${seeds.length} of them)` : seeds.join(', ')}.`
  return [
    ...(seeds.length === 1 || isSpread ? [spread] : []),
    ...(absent.length === 0
      ? []
      : [`${absent.length} of ${planned} runs are in no mean: ${counts.join(', ')}.`]),
    ...named.slice(0, mostNamed),
    ...(named.length > mostNamed ? [`and ${named.length - mostNamed} more`] : []),
    ...(baseline === null ? [] : [significanceNote(table, baseline)]),
  ]
}

function significanceNote({ cells }: SweepTable, baseline: string): string {
  const tests = cells.flatMap(row => row.flatMap(cell => cell?.test ?? []))
  if (tests.length === 0) return `Nothing could be compared with ${baseline} yet.`
  const smallest = Math.min(...tests.map(test => test.smallest))
  const most = Math.max(...tests.map(({ pairs }) => pairs))
  const what = `Compared with ${baseline}, seed by seed, by the exact sign-flip test, two-sided`
  if (smallest > level)
    return `${what}: no difference can be significant here, for ${most} ${most === 1 ? 'pair gives' : 'pairs give'} no p below ${Number(smallest.toPrecision(2))}; p ≤ ${level} needs six seeds.`
  return `${what}; * p ≤ ${level}, of ${tests.length} comparisons, without correction for their number.`
}
