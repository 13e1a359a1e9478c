import { terminal } from '../base/escaping.ts'
import type { LockWait } from '../run/lock-watch.ts'
import { secondsOf } from '../sweep/estimate.ts'
import type { SweepEvent, WatchedRun } from '../sweep/run-sweep.ts'
import type { TrainerProgress } from '../sweep/trainer.ts'
import type { Score } from '../tasks/measures.ts'
import { bar, clean, clock, columns, duration, painter, percent, type Screen, truncate } from './screen.ts'

/**
 * The story of a sweep on stderr: a line for each run that starts or ends, and on a terminal, below them, a table that is
 * redrawn: what is done, what was reached, the time left, and every running run.
 */
export interface SweepProgress {
  show(event: SweepEvent): void
  say(text: string): void
  /** Removes the table. */
  end(): void
}

/**
 * The lowest and the highest of some scores, from 0 to 1. Which run has the highest is not said: of many runs one is the
 * highest by chance, and `moiety table` compares them over seeds.
 */
export function scoreRange(scores: readonly number[]): string | undefined {
  if (scores.length === 0) return undefined
  const [least, most] = [Math.min(...scores), Math.max(...scores)].map(percent)
  return least === most ? most : `${least} to ${most}`
}

/** What was there when the call began. */
export interface SweepStart {
  /** All of them; none where they are not known, as to a worker. */
  readonly runs: readonly WatchedRun[]
  readonly done: ReadonlyMap<string, { readonly score: Score | null }>
  readonly jobs: number
  /** If known. */
  readonly secondsPerEpoch: number | undefined
}

/** A run that is being trained. */
interface Running {
  readonly run: WatchedRun
  readonly since: number
  readonly isResumed: boolean
  progress?: TrainerProgress
}

/** @param now - the time in seconds */
export function createSweepProgress(
  screen: Screen,
  start: SweepStart,
  now: () => number = () => performance.now() / 1000,
): SweepProgress {
  const paint = painter(screen)
  const live = screen.isTTY === true && process.env.TERM !== 'dumb'
  const running = new Map<string, Running>()
  const done = new Map([...start.done].map(([name, { score }]) => [name, score?.value ?? null]))
  const failed = new Set<string>()
  const measured: number[] = []
  let drawn = 0
  let last = Number.NEGATIVE_INFINITY

  const clear = (): void => {
    if (drawn > 0) screen.write(`\r\u001b[${drawn}A\u001b[J`)
    drawn = 0
  }
  const say = (text: string): void => {
    clear()
    screen.write(`${terminal(text)}\n`)
    draw(true)
  }
  const draw = (force: boolean): void => {
    if (!live || (!force && now() - last < 0.2)) return
    last = now()
    const width = (screen.columns || columns) - 1
    const lines = [summary(), ...Array.from(running.values(), line)].map(text =>
      truncate(terminal(text), width),
    )
    clear()
    screen.write(`${lines.join('\n')}\n`)
    drawn = lines.length
  }
  /** Seconds to the end of all runs, from what the running ones say, finished ones took and the trial showed. */
  const secondsLeft = (): number | undefined => {
    const perEpoch =
      measured.length > 0 ? measured.reduce((a, b) => a + b, 0) / measured.length : start.secondsPerEpoch
    const waiting = start.runs.filter(
      ({ name }) => !done.has(name) && !failed.has(name) && !running.has(name),
    )
    const times = Array.from(running.values(), ({ run, progress }) =>
      progress === undefined ? (perEpoch ?? 0) * run.config.training.epochs : progress.secondsLeft,
    )
    const isUntold = Array.from(running.values()).some(({ progress }) => progress === undefined)
    if (perEpoch === undefined && (waiting.length > 0 || isUntold)) return undefined
    const rest = secondsOf(waiting, perEpoch ?? 0, 1) + times.reduce((a, b) => a + b, 0)
    return Math.max(rest / start.jobs, ...times, 0)
  }
  const counts = (): string => {
    const left = secondsLeft()
    const reached = scoreRange([...done.values()].flatMap(score => (score === null ? [] : [score])))
    return [
      start.runs.length === 0 ? `${done.size} done` : `${done.size} of ${start.runs.length} done`,
      ...(failed.size === 0 ? [] : [`${failed.size} failed`]),
      ...(left === undefined || running.size === 0 ? [] : [`about ${duration(left)} left`]),
      ...(reached === undefined || start.runs.length === 0 ? [] : [`reached ${reached}`]),
    ].join('   ')
  }
  const summary = (): string => `${running.size} running   ${counts()}`
  const line = ({ run, progress }: Running): string => {
    const part = progress === undefined ? undefined : progress.step / progress.steps
    const score = progress?.score?.value
    return [
      `  ${bar(part ?? 0, 10)}`,
      (part === undefined ? '–' : `${Math.floor(100 * part)} %`).padStart(5),
      (score === undefined ? '–' : percent(score)).padStart(7),
      (progress === undefined ? '–' : clock(progress.secondsLeft)).padStart(8),
      ` ${clean(run.name)}`,
    ].join(' ')
  }

  const show = (event: SweepEvent) => {
    const { name } = event.run
    const shown = clean(name)
    switch (event.kind) {
      case 'started':
        running.set(name, { run: event.run, since: now(), isResumed: event.isResumed })
        failed.delete(name)
        return say(`${event.isResumed ? 'resumed' : 'started'}  ${shown}`)
      case 'progress': {
        const one = running.get(name)
        if (one !== undefined) one.progress = event.progress
        return draw(false)
      }
      case 'done': {
        running.delete(name)
        done.set(name, event.score?.value ?? null)
        if (event.seconds !== null) measured.push(event.seconds / event.run.config.training.epochs)
        const took = event.seconds === null ? '' : ` in ${duration(event.seconds)}`
        const { score } = event
        const reached = score === null ? '' : `  ${percent(score.value)} ${score.label}${took}`
        return say(`${paint.good('done')}     ${shown}${reached}   ${paint.dim(counts())}`)
      }
      case 'failed': {
        running.delete(name)
        if (!event.isTriedAgain) failed.add(name)
        const again = event.isTriedAgain ? '; it comes again after the others' : ''
        return say(paint.bad(`failed   ${shown}: ${clean(event.message)}${again}`))
      }
      case 'stopped':
        running.delete(name)
        return say(`stopped  ${shown}`)
      case 'waiting': {
        const { pid, host } = event.owner
        return say(`waiting  ${shown}: process ${pid} of ${clean(host)} still trains there`)
      }
    }
  }
  return { show, say, end: clear }
}

/** Says on stderr, once, that the lock of a sweep in another container or on another machine is watched; and that it is taken over. */
export function sayWait({ owner, waited, total }: LockWait): void {
  if (waited === 0)
    process.stderr.write(
      `waiting for the lock of ${clean(owner)}, whose heartbeat is checked for ${total} s\n`,
    )
  if (waited >= total)
    process.stderr.write(`took over the lock of ${clean(owner)}: no heartbeat for ${total} s\n`)
}
