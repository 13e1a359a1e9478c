import { join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { z } from 'zod'
import { fail, MoietyError } from '../base/errors.ts'
import { rethrowExhausted } from '../files/disk.ts'
import { readRegular, sizeLimits } from '../files/regular-file.ts'
import type { TrainEvent } from '../run/events.ts'
import { summarySchema } from '../run/file-schemas.ts'
import { readLatency } from '../run/latency.ts'
import { learningCurveOf } from '../run/learning-curve.ts'
import { type CheckpointChoice, chosenCheckpoint, rememberedBest } from '../tasks/choose-checkpoint.ts'
import { remembered, testedOn } from '../tasks/data-identity.ts'
import { checkpointIdentity, type DataChoice, taskOfRun } from '../tasks/open-run.ts'
import { type ComparedRun, comparedRun, dataSetsOf } from './comparison.ts'
import { type Explanation, explainRun } from './explain-run.ts'
import { type Findings, findings } from './findings.ts'
import { logOf } from './training-history.ts'

/** Which runs to lay side by side. */
export interface CompareOptions extends CheckpointChoice {
  /** Folders of runs of one task. */
  readonly runs: readonly string[]
  readonly data?: DataChoice | undefined
  readonly threads?: number | undefined
  /** Reports how everything comes along, and which images were left out. */
  readonly onEvent?: ((event: TrainEvent) => void) | undefined
  /** Is given what was found out about a run that had not been explained yet, to keep it. */
  readonly onExplained?: (run: string, explanation: Explanation) => Promise<void>
  /** Ends the work after the current batch; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Lays runs side by side, by default at their newest checkpoints. A run that has been explained at the checkpoint on held-out images
 * is not explained again.
 *
 * @throws MoietyError `usage` for a folder that is named twice, and runs of different tasks; otherwise as `explainRun`
 */
export async function compareRuns(options: CompareOptions): Promise<ComparedRun[]> {
  refuseTwice(options.runs)
  refuseSeveralTasks(options.runs)
  const compared: ComparedRun[] = []
  for (const run of options.runs) {
    // So that a signal is noticed where every run is explained already.
    await setImmediate()
    options.signal?.throwIfAborted()
    const known = options.data === undefined ? knownFindings(run, options) : undefined
    const about = known ?? (await found(run, options))
    const { seconds = null, cost } = summaryOf(run)
    const own = comparedRun(about, seconds, options.checkpoint === 'best')
    compared.push({
      ...own,
      // Reports of earlier versions have neither.
      multiplyAdds: own.multiplyAdds ?? cost?.multiplyAdds ?? null,
      learning:
        own.learning.length > 0
          ? own.learning
          : learningCurveOf(logOf(run, own.step, options.onEvent ?? (() => undefined))),
      latency: readLatency(run),
    })
  }
  for (const { run, extensions } of compared) {
    const last = extensions.at(-1)
    if (last === undefined) continue
    options.onEvent?.({
      kind: 'warning',
      message: `${run} was extended: up to step ${last.until} its learning rates were those of a training of ${last.epochs} ${last.epochs === 1 ? 'epoch' : 'epochs'}; it is not averaged with runs that had their length from the beginning`,
    })
  }
  const dataSets = dataSetsOf(compared)
  if (dataSets.length > 1)
    options.onEvent?.({
      kind: 'warning',
      message: `the runs are on different data, so their scores cannot be compared: ${dataSets.join('; ')}`,
    })
  return compared
}

async function found(run: string, options: CompareOptions): Promise<Findings> {
  const { data, threads, signal, checkpoint, weights, onEvent, onExplained } = options
  const explanation = await explainRun({ run, data, threads, checkpoint, weights, onEvent, signal })
  try {
    const other = data === undefined ? otherReport(run, explanation.findings) : undefined
    if (other !== undefined)
      onEvent?.({
        kind: 'warning',
        message: `${join(run, 'report.json')} is about ${other} and is left unchanged; the results on ${explanation.findings.data.split} of ${explanation.findings.run.which ?? 'the newest checkpoint'} are not kept`,
      })
    else if (data === undefined) await onExplained?.(run, explanation)
  } catch (error) {
    if (!(error instanceof MoietyError)) throw error
    onEvent?.({ kind: 'warning', message: `what was found about ${run} is not kept: ${error.message}` })
  }
  return explanation.findings
}

/**
 * What a report is about where that is something else, which somebody asked `moiety explain` for: other data, or the newest or best
 * checkpoint where this is about another. One of any other checkpoint is out of date and may be replaced.
 */
function otherReport(run: string, { run: now, data: { split } }: Findings): string | undefined {
  const parsed = findings.safeParse(jsonOf(join(run, 'report.json'), sizeLimits.report))
  if (!parsed.success) return undefined
  const { data, run: reported } = parsed.data
  if (reported.checkpoint !== now.checkpoint) return otherCheckpoint(run, reported, now)
  if (data.given) return 'other data'
  return data.split === split ? undefined : `the ${data.split} split`
}

/** The checkpoint of a report where it is the newest or the best one of its run. */
function otherCheckpoint(
  run: string,
  { step, which }: Findings['run'],
  now: Findings['run'],
): string | undefined {
  if (step === now.step) return undefined
  const newest = chosenCheckpoint(run)
  const steps = [newest.step, rememberedBest(newest.extra)?.step]
  return steps.includes(step) ? `the checkpoint at ${which ?? `step ${step}`}` : undefined
}

/** What `report.json` says, if it is about the checkpoint, and held-out images of the data that the run was trained on. */
function knownFindings(run: string, choice: CheckpointChoice): Findings | undefined {
  const checkpoint = chosenCheckpoint(run, choice)
  const before = remembered(checkpoint.extra)
  const parsed = findings.safeParse(jsonOf(join(run, 'report.json'), sizeLimits.report))
  if (!parsed.success) return undefined
  const { run: looked, data } = parsed.data
  const same =
    looked.checkpoint === checkpointIdentity(checkpoint) &&
    data.split === testedOn(before) &&
    !data.given &&
    data.identity === before?.labels
  return same ? parsed.data : undefined
}

/** @throws MoietyError `usage` for a folder that is named twice, by whatever path */
function refuseTwice(runs: readonly string[]): void {
  const seen = new Map<string, string>()
  for (const run of runs) {
    const place = resolve(run)
    const before = seen.get(place)
    if (before !== undefined)
      fail({
        kind: 'usage',
        message: before === run ? `${run} is named twice` : `${run} and ${before} are the same folder`,
        where: run,
        help: 'name each run once',
      })
    seen.set(place, run)
  }
}

/** @throws MoietyError `usage` for runs of different tasks, which no measure ranks together */
function refuseSeveralTasks(runs: readonly string[]): void {
  const [first, ...others] = runs.map(run => ({ run, task: taskOfRun(run).name }))
  const other = others.find(({ task }) => task !== first?.task)
  if (first === undefined || other === undefined) return
  fail({
    kind: 'usage',
    message: `expected runs of one task, got ${first.task} (${first.run}) and ${other.task}`,
    where: other.run,
    help: 'compare the runs of each task by themselves',
  })
}

const summary = summarySchema.pick({ seconds: true, cost: true })

function summaryOf(run: string): Partial<z.output<typeof summary>> {
  return summary.safeParse(jsonOf(join(run, 'summary.json'), sizeLimits.summary)).data ?? {}
}

/** Undefined where there is no such file, or none that can be understood: what is missing is found out again. */
function jsonOf(path: string, most: number): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(readRegular(path, most)))
  } catch (cause) {
    rethrowExhausted(cause, 'read', path)
    return undefined
  }
}
