import type { TrainEvent } from '../run/events.ts'

/** Reports passes of one split through a network, and how long the rest will take. */
export class PassProgress {
  #done = 0
  #total = 1
  #seconds = 0

  constructor(
    readonly images: number,
    readonly onEvent: (event: TrainEvent) => void,
  ) {}

  /** So many passes follow. */
  plan(more: number): void {
    this.#total = this.#done + more
  }

  next(what: string): (done: number) => void {
    const began = performance.now()
    const number = this.#done++
    return done => {
      const seconds = (performance.now() - began) / 1000
      if (done === this.images) this.#seconds += seconds
      const each = number === 0 ? seconds : this.#seconds / (done === this.images ? number + 1 : number)
      const left = Math.max(0, each * (this.#total - number) - (done === this.images ? each : seconds))
      const turn = this.#total === 1 ? '' : ` (${number + 1} of ${this.#total}, ${timeLeft(left)} left)`
      this.onEvent({ kind: 'progress', what: `${what}${turn}`, done, total: this.images })
    }
  }
}

function timeLeft(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}
