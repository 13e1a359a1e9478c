import type { Calibration } from '../metrics/calibration.ts'
import type { ExpertsOfImage } from './routing.ts'
import type { TextTable } from './task.ts'

/** Longer names do not fit into a line of 80 columns. */
const longestName = 18

/** A name that leaves room for the rest of its row. */
export function shortName(name: string): string {
  const letters = Array.from(name)
  return letters.length > longestName ? `${letters.slice(0, longestName - 1).join('')}…` : name
}

/** Three decimals; a dash where there is nothing to measure. */
export function number(value: number | null): string {
  return value === null ? '–' : value.toFixed(3)
}

/** `71.3 %` */
export function perCent(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`
}

/** Those with the smallest values, what has none left out; equal ones in order. */
export function shortest<T>(items: readonly T[], value: (item: T) => number | null, most: number): T[] {
  return items
    .filter(item => value(item) !== null)
    .sort((a, b) => value(a)! - value(b)!)
    .slice(0, most)
}

/** `0 (62 %) 2 (38 %)`; several layers by `|`. */
export function expertsText(layers: readonly ExpertsOfImage[]): string {
  return layers
    .map(experts =>
      experts.map(({ expert, weight }) => `${expert} (${(100 * weight).toFixed(0)} %)`).join(' '),
    )
    .join(' | ')
}

/**
 * The bins of a reliability diagram that hold anything, with the errors in the title.
 *
 * @param right - what an answer is where it counts: `right`, or of a label `shown`
 */
export function reliabilityTable({ ece, mce, bins }: Calibration, right: string): TextTable {
  return {
    title: `Calibration: expected error ${number(ece)}, largest ${number(mce)}`,
    heads: ['confidence', 'answers', 'mean', right],
    rows: bins
      .filter(({ count }) => count > 0)
      .map(({ from, to, count, confidence, accuracy }) => [
        `${from.toFixed(2)}–${to.toFixed(2)}`,
        count.toLocaleString('en'),
        number(confidence),
        number(accuracy),
      ]),
  }
}
