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
