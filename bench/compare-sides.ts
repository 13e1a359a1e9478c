import { loadavg } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import Table from 'cli-table3'
import type { Case } from './cases.js'
import { Side } from './side.js'
import { ratio, type Timing, timing } from './statistics.js'

/**
 * Our training step or exported network and, where a Python with torch is given, PyTorch's: the same network, batch and
 * threads, all sides warmed up, then one turn of each, so that what slows the machine for a while slows all.
 */

/** Milliseconds between two turns: threads of the side before still spin for a while, on the cores of the next. */
export const settling = 300

/** PyTorch's memory formats, of which the faster one is what we are compared with. */
export const formats = ['default', 'channels_last'] as const
export type Format = (typeof formats)[number]

/** What one side of a comparison took: its times, and the most memory that its process had, in bytes. */
export interface SideResult {
  readonly timing: Timing
  readonly peakBytes: number
}

/** What one case brought. Times are medians in seconds; a ratio is PyTorch's median ÷ ours, above 1 where we are faster. */
export interface Result {
  readonly name: string
  readonly title: string
  readonly batch: number
  readonly ours: number
  /** PyTorch in the faster of its memory formats, which is `peerFormat`. */
  readonly peer: number | null
  readonly ratio: number | null
  readonly peerFormat: Format | null
  readonly parameters: number
  readonly sides: { readonly ours: SideResult } & Readonly<
    Partial<Record<Format, SideResult & { readonly ratio: number }>>
  >
  /** Of the last minute, before and after. */
  readonly loadAverage: readonly [number, number]
  readonly torch: string | null
}

export interface ComparisonOptions {
  readonly python?: string
  readonly rounds: number
  readonly warmup: number
  readonly threads: number
  readonly replicas: number
}

/** Times a case, in turn with PyTorch where there is a Python. */
export async function measure(timed: Case, options: ComparisonOptions): Promise<Result> {
  const { python, threads, replicas } = options
  const before = loadavg()[0]!
  const ours = await Side.ours(timed, threads, replicas)
  const peers: Side[] = []
  try {
    if (python !== undefined)
      for (const format of formats)
        peers.push(await Side.peer(python, timed, threads, format === 'channels_last'))
    for (const { hello } of peers) {
      if (hello.parameters !== ours.hello.parameters) {
        throw new Error(
          `${timed.name}: ${ours.hello.parameters} parameters here, ${hello.parameters} in PyTorch`,
        )
      }
    }
    const sides = [ours, ...peers]
    for (const side of sides) for (let i = 0; i < options.warmup; i++) await side.time(timed.runs)
    const seconds: number[][] = sides.map(() => [])
    for (let round = 0; round < options.rounds; round++) {
      for (const [i, side] of sides.entries()) {
        await setTimeout(settling)
        seconds[i]!.push(await side.time(timed.runs))
      }
    }
    const [own, ...others] = sides.map(({ peakBytes }, i) => ({ timing: timing(seconds[i]!), peakBytes }))
    return {
      ...compared(timed, own!, others),
      parameters: ours.hello.parameters,
      loadAverage: [before, loadavg()[0]!],
      torch: peers[0]?.hello.torch ?? null,
    }
  } finally {
    await Promise.all([ours, ...peers].map(side => side.stop()))
  }
}

/** @param peers - in the order of {@link formats}; none where there was no PyTorch */
export function compared(
  { name, title, batch }: Pick<Case, 'name' | 'title' | 'batch'>,
  ours: SideResult,
  peers: readonly SideResult[],
): Omit<Result, 'parameters' | 'loadAverage' | 'torch'> {
  const found = peers.map((side, i) => ({
    format: formats[i]!,
    side: { ...side, ratio: ratio(ours.timing, side.timing) },
  }))
  const [faster] = found.toSorted((a, b) => a.side.timing.median - b.side.timing.median)
  return {
    name,
    title,
    batch,
    ours: ours.timing.median,
    peer: faster?.side.timing.median ?? null,
    ratio: faster?.side.ratio ?? null,
    peerFormat: faster?.format ?? null,
    sides: { ours, ...Object.fromEntries(found.map(({ format, side }) => [format, side])) },
  }
}

/** A row a case, and below it what a network of ten experts costs beside one of four where both were timed. */
export function describeComparison(results: readonly Result[]): string {
  const table = new Table({
    head: ['case', 'batch', 'ours', 'PyTorch', 'ratio', 'channels_last', 'ratio', 'spread', 'memory', 'load'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const { title, batch, ours, sides, loadAverage } of results) {
    const [plain, last] = formats.map(format => sides[format])
    const all = [sides.ours, plain, last]
    table.push([
      title,
      batch,
      inSeconds(ours),
      inSeconds(plain?.timing.median),
      asRatio(plain?.ratio),
      inSeconds(last?.timing.median),
      asRatio(last?.ratio),
      all.map(side => (side === undefined ? '–' : `${Math.round(100 * side.timing.spread)} %`)).join(' / '),
      all.map(side => (side === undefined ? '–' : (side.peakBytes / 1e9).toFixed(2))).join(' / '),
      loadAverage.map(load => load.toFixed(1)).join(' → '),
    ])
  }
  const [four, ten] = ['resblock-e4-p4', 'resblock-e10-p4'].map(
    name => results.find(result => result.name === name)?.ours,
  )
  return [
    table.toString(),
    ...(four === undefined || ten === undefined
      ? []
      : [`Ten experts cost ${(ten / four).toFixed(2)} times what four do, K = 2 of either.`]),
    'Medians; ratio = PyTorch ÷ ours; spread = (largest − smallest) ÷ median; memory: the most that each process had, in GB;',
    'spread and memory of ours / PyTorch / PyTorch in channels_last; load of the last minute, before → after.',
  ].join('\n')
}

const inSeconds = (seconds: number | undefined): string =>
  seconds === undefined ? '–' : `${seconds.toFixed(seconds < 0.1 ? 4 : 3)} s`
const asRatio = (value: number | undefined): string => (value === undefined ? '–' : `${value.toFixed(2)}×`)
