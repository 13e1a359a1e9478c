/** Ends of a process that was asked to stop, as shells count them: 128 + the signal's number. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof codes

/** What came of work that may be interrupted; `signal` is the one that interrupted it. */
export interface Interruptible<T> {
  readonly value: T
  readonly signal: Signal | undefined
}

/**
 * Runs work that a first SIGINT, SIGTERM or SIGHUP (the terminal is gone) asks to end cleanly, through the AbortSignal it is given; a second
 * SIGINT or SIGTERM ends the process at once.
 *
 * @param onFirst - told of the first signal, to say that the end is coming
 */
export async function interruptible<T>(
  work: (abort: AbortSignal) => Promise<T>,
  onFirst: (signal: Signal) => void,
): Promise<Interruptible<T>> {
  const controller = new AbortController()
  let first: Signal | undefined
  const listen = (signal: Signal) => {
    // A terminal that goes away says so more than once.
    if (first !== undefined) return signal === 'SIGHUP' ? undefined : endNow(signal)
    first = signal
    onFirst(signal)
    controller.abort(signal)
  }
  const signals = Object.keys(codes) as Signal[]
  for (const signal of signals) process.on(signal, listen)
  try {
    return { value: await work(controller.signal), signal: first }
  } finally {
    for (const signal of signals) process.off(signal, listen)
  }
}

/** How long work may take to notice a signal: a network that is being prepared, for example, cannot be asked to stop. */
const graceMilliseconds = 10_000

/**
 * Runs a command that writes its results at once at its end and has nothing to save before. A first signal ends it at the next
 * batch, by the reason of the AbortSignal, or, where that takes too long, as the signal alone would; a second one at once.
 *
 * @param work - throws the signal's reason where it was ended; what it writes has to be written in one synchronous step
 * @param patience - milliseconds until the process is ended in any case
 * @returns the exit code: 0 where the work was done before it noticed a signal
 */
export async function endedBySignal(
  work: (abort: AbortSignal) => Promise<void>,
  say: (text: string) => void,
  patience = graceMilliseconds,
): Promise<number> {
  let grace: NodeJS.Timeout | undefined
  try {
    const { value: isDone, signal } = await interruptible(
      async abort => {
        try {
          await work(abort)
          return true
        } catch (error) {
          if (abort.aborted && error === abort.reason) return false
          throw error
        }
      },
      first => {
        say('stopping, nothing is written; once more ends at once')
        grace = setTimeout(endNow, patience, first)
      },
    )
    return isDone || signal === undefined ? 0 : exitCodeOf(signal)
  } finally {
    clearTimeout(grace)
  }
}

/**
 * Ends the process as the signal alone would. `process.exit` is not enough: it waits for what the engine's thread is
 * computing.
 */
function endNow(signal: Signal): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

export function exitCodeOf(signal: Signal): number {
  return codes[signal]
}
