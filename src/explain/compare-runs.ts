import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type DataChoice, newestCheckpoint } from '../evaluate/trained-run.ts'
import type { TrainEvent } from '../run/events.ts'
import { type ComparedRun, comparedRun } from './comparison.ts'
import { type Explanation, explainRun } from './explain-run.ts'
import { type Findings, findings } from './findings.ts'

/** Which runs to lay side by side. */
export interface CompareOptions {
  /** Folders of runs. */
  readonly runs: readonly string[]
  readonly data?: DataChoice
  readonly threads?: number
  /** Told how everything comes along, and which images were left out. */
  readonly onEvent?: (event: TrainEvent) => void
  /** Is given what was found out about a run that had not been explained yet, to keep it. */
  readonly onExplained?: (run: string, explanation: Explanation) => Promise<void>
}

/**
 * Lays runs side by side. A run that has been explained at its newest checkpoint on held-out images is not explained again.
 *
 * @throws MoietyError as `explainRun`
 */
export async function compareRuns(options: CompareOptions): Promise<ComparedRun[]> {
  const compared: ComparedRun[] = []
  for (const run of options.runs) {
    const known = options.data === undefined ? knownFindings(run) : undefined
    compared.push(comparedRun(known ?? (await found(run, options)), secondsOf(run)))
  }
  return compared
}

async function found(run: string, options: CompareOptions): Promise<Findings> {
  const { data, threads, onEvent, onExplained } = options
  const explanation = await explainRun({
    run,
    ...(data === undefined ? {} : { data }),
    ...(threads === undefined ? {} : { threads }),
    ...(onEvent === undefined ? {} : { onEvent }),
  })
  if (data === undefined) await onExplained?.(run, explanation)
  return explanation.findings
}

/** What `report.json` says, if it is about the newest checkpoint and held-out images. */
function knownFindings(run: string): Findings | undefined {
  const { step } = newestCheckpoint(run)
  const parsed = findings.safeParse(jsonOf(join(run, 'report.json')))
  if (!parsed.success || parsed.data.run.step !== step || parsed.data.data.split !== 'test') return undefined
  return parsed.data
}

const summary = z.object({ seconds: z.number() })

function secondsOf(run: string): number | null {
  const parsed = summary.safeParse(jsonOf(join(run, 'summary.json')))
  return parsed.success ? parsed.data.seconds : null
}

/** Undefined where there is no such file, or none that can be understood: what is missing is found out again. */
function jsonOf(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
