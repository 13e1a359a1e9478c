/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

/** Seconds of one side: all of them, their median, and the spread (largest − smallest) ÷ median. */
export interface Timing {
  readonly median: number
  readonly best: number
  readonly spread: number
  readonly seconds: readonly number[]
}

export function timing(seconds: readonly number[]): Timing {
  const middle = median(seconds)
  const best = Math.min(...seconds)
  return { median: middle, best, spread: (Math.max(...seconds) - best) / middle, seconds }
}

/** How many times faster we are: the peer's median ÷ ours. */
export function ratio(ours: Timing, peer: Timing): number {
  return peer.median / ours.median
}
