import type { RunDetails, StepCurves } from '../../src/watch/protocol.ts'
import { joined } from './joined-curves.ts'
import { ask } from './stream.ts'

/** Runs in one question. */
const atOnce = 50

/** Milliseconds between two answers of a run whose log is not whole yet. */
const patience = 1000

interface Kept {
  readonly curves: StepCurves
  readonly hasLayers: boolean
  readonly at: number
}

/** A range of steps that is looked at closely. */
export interface Zoom {
  readonly from: number
  readonly to: number
}

/** Curves and details of runs, as far as the page has asked for them. It asks for what has changed, and for no more. */
export class Store {
  readonly #curves = new Map<string, Kept>()
  readonly #range = new Map<string, StepCurves>()
  readonly #details = new Map<string, RunDetails>()
  #zoom: Zoom | undefined
  #rangeFor = ''

  curves(id: string): StepCurves | undefined {
    return (this.#zoom === undefined ? undefined : this.#range.get(id)) ?? this.#curves.get(id)?.curves
  }

  /** Of the whole length, whatever is looked at closely. */
  wholeCurves(id: string): StepCurves | undefined {
    return this.#curves.get(id)?.curves
  }

  details(id: string): RunDetails | undefined {
    return this.#details.get(id)
  }

  get zoom(): Zoom | undefined {
    return this.#zoom
  }

  /** Asks for the steps of runs that have changed. @param layers - of which ids the mixtures are shown */
  async update(ids: readonly string[], layers: ReadonlySet<string>): Promise<void> {
    const now = performance.now()
    const due = ids.filter(id => {
      const kept = this.#curves.get(id)
      const isComplete = kept !== undefined && (kept.hasLayers || !layers.has(id))
      return !isComplete || kept.curves.isWhole || now - kept.at > patience
    })
    for (const withLayers of [true, false]) {
      const own = due.filter(id => layers.has(id) === withLayers)
      for (let i = 0; i < own.length; i += atOnce) await this.#ask(own.slice(i, i + atOnce), withLayers)
    }
  }

  async #ask(ids: readonly string[], layers: boolean): Promise<void> {
    const since = new Map<string, number>()
    const words = ids.map(id => {
      const kept = this.#curves.get(id)
      const { steps = [], width = 1, generation = 0 } = kept?.curves ?? {}
      const last = steps.at(-1)
      if (kept === undefined || last === undefined || kept.hasLayers !== layers) return id
      since.set(id, Math.floor(last / width))
      return `${id}~${generation}~${width}~${since.get(id)}`
    })
    const answer = await ask<Record<string, StepCurves>>(
      `api/curves?runs=${words.join(',')}${layers ? '&layers=1' : ''}`,
    )
    for (const [id, curves] of Object.entries(answer ?? {})) {
      const before = this.#curves.get(id)?.curves
      const from = since.get(id)
      const isMore =
        before !== undefined &&
        from !== undefined &&
        before.generation === curves.generation &&
        before.width === curves.width
      this.#curves.set(id, {
        curves: isMore ? joined(before, curves, from) : curves,
        hasLayers: layers,
        at: performance.now(),
      })
    }
  }

  /** Asks for a run's details again. */
  async updateDetails(id: string): Promise<void> {
    const details = await ask<RunDetails>(`api/runs/${id}`)
    if (details !== undefined) this.#details.set(id, details)
  }

  /** Looks closely at a range, or at the whole length. */
  async look(zoom: Zoom | undefined, ids: readonly string[], points: number): Promise<void> {
    this.#zoom = zoom
    const words = zoom === undefined ? '' : `${ids.join(',')} ${zoom.from} ${zoom.to}`
    if (words === this.#rangeFor && zoom !== undefined) return
    this.#rangeFor = words
    this.#range.clear()
    if (zoom === undefined) return
    const from = Math.max(0, Math.floor(zoom.from))
    for (let i = 0; i < ids.length; i += atOnce) {
      // Buckets of the whole length may be as fine already.
      const own = ids.slice(i, i + atOnce).filter(id => (this.#curves.get(id)?.curves.width ?? 2) > 1)
      if (own.length === 0) continue
      const query = `runs=${own.join(',')}&from=${from}&to=${Math.ceil(zoom.to)}&points=${points}&layers=1`
      const answer = await ask<Record<string, StepCurves>>(`api/range?${query}`)
      if (this.#rangeFor !== words) return
      for (const [id, curves] of Object.entries(answer ?? {})) {
        const tests = this.#curves.get(id)?.curves.tests ?? []
        this.#range.set(id, { ...curves, tests })
      }
    }
  }

  /** Forgets runs that are not shown any more. */
  keep(ids: ReadonlySet<string>): void {
    for (const known of [this.#curves, this.#details])
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
  }
}
