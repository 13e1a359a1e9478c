import { spawn } from 'node:child_process'
import { closeSync, readSync, statSync } from 'node:fs'
import { z } from 'zod'
import { attempt, nodeDisk } from '../files/disk.ts'
import { openRegular } from '../files/regular-file.ts'
import { queueVariable } from './queue-address.ts'

/** How a training is started: `node dist/cli/main.js`, before the words of the command. */
export interface TrainerCommand {
  readonly executable: string
  readonly words: readonly string[]
  /** Devices that the sweep has tried, see `requireTraining`: its trainings need not. */
  readonly triedDevices?: readonly string[] | undefined
}

/** The variable by which a training knows that a sweep has started it and listens. */
export const sweepVariable = 'MOIETY_SWEEP'

/** The variable that has {@link TrainerCommand.triedDevices}, with commas. */
export const triedVariable = 'MOIETY_TRIED_DEVICES'

export const trainerProgress = z.object({
  step: z.int(),
  steps: z.int(),
  /** Of the last epoch that was tested; null before. */
  score: z.object({ name: z.string(), title: z.string(), label: z.string(), value: z.number() }).nullable(),
  imagesPerSecond: z.number(),
  secondsLeft: z.number(),
})

/** How far a training is, as it tells the sweep that has started it. */
export type TrainerProgress = Readonly<z.output<typeof trainerProgress>>

/** How a training's process ended. */
export interface TrainerEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** What it complained of, in one line; what is known where it said nothing. */
  readonly message: string
}

/** A training in a process of its own. */
export interface Trainer {
  readonly ended: Promise<TrainerEnd>
  stop(signal: NodeJS.Signals): void
}

/**
 * Starts a training whose output goes to the end of a file. It leads a process group of its own: a Ctrl-C reaches the
 * sweep alone, which passes it on once. Node's channel tells the training when the sweep is gone, however that came.
 *
 * @param words - of the command, such as `train`
 * @param log - the file for stdout and stderr
 * @throws MoietyError `disk` if the log cannot be opened
 */
export function startTrainer(
  { executable, words: first, triedDevices = [] }: TrainerCommand,
  words: readonly string[],
  log: string,
  onProgress: (progress: TrainerProgress) => void = () => undefined,
): Trainer {
  const file = attempt(nodeDisk, 'open', log, () => nodeDisk.open(log, 'a'))
  const begin = statSync(log).size
  const child = spawn(executable, [...first, ...words], {
    detached: process.platform !== 'win32',
    stdio: ['ignore', file, file, 'ipc'],
    env: {
      ...process.env,
      [queueVariable]: undefined,
      [sweepVariable]: '1',
      [triedVariable]: triedDevices.join(','),
      NO_COLOR: '1',
    },
  })
  closeSync(file)
  child.on('message', (message: unknown) => {
    const parsed = trainerProgress.safeParse(message)
    if (parsed.success) onProgress(parsed.data)
  })
  const ended = new Promise<TrainerEnd>(resolve => {
    child.once('error', cause => resolve({ exitCode: null, signal: null, message: cause.message }))
    child.once('exit', (exitCode, signal) => {
      const logged = complaint(log, begin)
      const how = signal === null ? `ended with code ${exitCode}` : `ended by ${signal}`
      resolve({ exitCode, signal, message: logged ?? how })
    })
  })
  return { ended, stop: signal => child.kill(signal) }
}

const mostTold = 16_384

/** The last error that a log tells, with its place, in one line. */
function complaint(log: string, begin: number): string | undefined {
  try {
    const file = openRegular(log)
    try {
      const from = Math.max(begin, statSync(log).size - mostTold)
      const bytes = new Uint8Array(mostTold)
      const text = new TextDecoder().decode(bytes.subarray(0, readSync(file, bytes, 0, mostTold, from)))
      const lines = text.split('\n')
      const at = lines.findLastIndex(line => line.startsWith('error: '))
      if (at < 0) return undefined
      const place = lines.slice(at + 1).find(line => line.startsWith('  at '))
      return `${lines[at]!.slice('error: '.length)}${place === undefined ? '' : `, ${place.trim()}`}`
    } finally {
      closeSync(file)
    }
  } catch {
    // The log is for people; that it cannot be read back is no failure of the run.
    return undefined
  }
}
