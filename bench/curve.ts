import Table from 'cli-table3'
import type { Case } from './cases.js'
import { Ours } from './moiety-program.js'
import { type Timing, timing } from './statistics.js'

/**
 * How the time of our step grows with one number at a time: experts (E), chosen experts (K), batch and threads, all else
 * as in one of the bench's mixtures of experts. Cost should grow with K and not with E.
 */

/** One step that was timed, and the number by which it differs from the mixture. */
export interface Point {
  readonly varied: 'experts' | 'k' | 'batch' | 'threads'
  readonly value: number
  readonly timing: Timing
}

interface Options {
  readonly rounds: number
  readonly warmup: number
  readonly threads: number
}

function points(
  base: Case,
  threads: number,
): { varied: Point['varied']; value: number; timed: Case; threads: number }[] {
  const { moe } = base
  if (moe === null) throw new Error(`--curve needs a case with experts, and ${base.name} has none`)
  const counts = [1, 2, 4, 8, 16, 32].filter(count => count < threads)
  return [
    ...[2, 4, 8, 10, 16].map(
      value =>
        ({ varied: 'experts', value, timed: { ...base, moe: { ...moe, experts: value } }, threads }) as const,
    ),
    ...[2, 3, 4].map(
      value => ({ varied: 'k', value, timed: { ...base, moe: { ...moe, k: value } }, threads }) as const,
    ),
    ...[16, 32, 64, 128].map(
      value => ({ varied: 'batch', value, timed: { ...base, batch: value }, threads }) as const,
    ),
    ...[...counts, threads].map(
      value => ({ varied: 'threads', value, timed: base, threads: value }) as const,
    ),
  ]
}

/** @param onPoint - told of each point before it is timed */
export async function measureCurve(
  base: Case,
  options: Options,
  onPoint: (text: string) => void,
): Promise<Point[]> {
  const measured: Point[] = []
  for (const { varied, value, timed, threads } of points(base, options.threads)) {
    onPoint(`${varied} ${value}`)
    const ours = await Ours.prepare(timed, { threads })
    try {
      for (let i = 0; i < options.warmup; i++) await ours.time()
      const seconds: number[] = []
      for (let i = 0; i < options.rounds; i++) seconds.push(await ours.time())
      measured.push({ varied, value, timing: timing(seconds) })
    } finally {
      await ours.stop()
    }
  }
  return measured
}

/** One table for all: seconds of a step, how many times the first of its kind that is, and images a second. */
export function describeCurve(curve: readonly Point[], base: Case): string {
  const table = new Table({
    head: ['varied', 'value', 'step', 'of the first', 'images / s', 'spread'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const {
    varied,
    value,
    timing: { median, spread },
  } of curve) {
    const first = curve.find(point => point.varied === varied)!
    const images = varied === 'batch' ? value : base.batch
    table.push([
      varied,
      value,
      `${median.toFixed(3)} s`,
      `${(median / first.timing.median).toFixed(2)}×`,
      (images / median).toFixed(0),
      `${Math.round(100 * spread)} %`,
    ])
  }
  return table.toString()
}
