/** Steps a second, by when steps were seen: training does not log when it took them. */
export class StepRate {
  readonly #seen: { readonly at: number; readonly step: number }[] = []

  /** @param at - seconds */
  see(step: number, at: number): void {
    const last = this.#seen.at(-1)
    if (last !== undefined && step === last.step) return
    // A resume takes steps again, and another run begins at 0.
    if (last !== undefined && step < last.step) this.#seen.length = 0
    this.#seen.push({ at, step })
    if (this.#seen.length > 32) this.#seen.shift()
  }

  /**
   * The median over the last intervals, so that a test between two steps does not count; undefined before there are two intervals of
   * together two seconds.
   */
  get perSecond(): number | undefined {
    const seen = this.#seen
    // When the first was taken is not known.
    const intervals = seen.slice(2).map(({ at, step }, i) => {
      const before = seen[i + 1]!
      return { rate: (step - before.step) / (at - before.at), seconds: at - before.at }
    })
    const total = intervals.reduce((sum, { seconds }) => sum + seconds, 0)
    if (total < 2) return undefined
    const sorted = intervals.toSorted((a, b) => a.rate - b.rate)
    let passed = 0
    for (const { rate, seconds } of sorted) {
      passed += seconds
      if (passed >= total / 2) return rate
    }
    return undefined
  }
}
