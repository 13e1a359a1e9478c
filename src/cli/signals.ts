/** Ends of a process that was asked to stop, as shells count them: 128 + the signal's number. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

type Signal = keyof typeof codes

const signals: readonly Signal[] = ['SIGHUP', 'SIGINT', 'SIGTERM']

/** What came of work that may be interrupted; `signal` is the one that interrupted it. */
export interface Interruptible<T> {
  readonly value: T
  readonly signal: Signal | undefined
}

/** How {@link interruptible} treats signals before there is anything to save. */
export interface InterruptibleOptions {
  /**
   * True where nothing would be lost yet if the process ended. The work calls its second argument whenever that changes; while there is
   * nothing to save a signal ends the process at once, even while the main thread computes, because no handler is installed.
   */
  readonly startsUnsaved?: boolean
}

/**
 * Runs work that a first SIGINT, SIGTERM or SIGHUP (the terminal is gone) asks to end cleanly, through the AbortSignal it is given; a second
 * SIGINT or SIGTERM ends the process at once.
 *
 * @param onFirst - called at the first signal, to report that the command is stopping
 */
export async function interruptible<T>(
  work: (abort: AbortSignal, setUnsaved: (isUnsaved: boolean) => void) => Promise<T>,
  onFirst: (signal: Signal) => void,
  { startsUnsaved = false }: InterruptibleOptions = {},
): Promise<Interruptible<T>> {
  const controller = new AbortController()
  let first: Signal | undefined
  let saves = !startsUnsaved
  const listen = (signal: Signal) => {
    if (!saves) return endNow(signal)
    // A terminal that goes away says so more than once.
    if (first !== undefined) return signal === 'SIGHUP' ? undefined : endNow(signal)
    first = signal
    onFirst(signal)
    controller.abort(signal)
  }
  let isListening = false
  const install = (): void => {
    if (isListening) return
    for (const signal of signals) process.on(signal, listen)
    isListening = true
  }
  const uninstall = (): void => {
    for (const signal of signals) process.off(signal, listen)
    isListening = false
  }
  const setUnsaved = (isUnsaved: boolean): void => {
    saves = isUnsaved
    if (saves || needsHandlers) install()
    else uninstall()
  }
  if (saves || needsHandlers) install()
  try {
    return { value: await work(controller.signal, setUnsaved), signal: first }
  } finally {
    uninstall()
  }
}

/** Process 1 of a container has no default action: without a handler, signals are ignored. */
const needsHandlers = process.pid === 1

/**
 * Runs a command that writes its results at its end and has nothing to save before. A signal ends it at once, as the signal alone would,
 * also while the main thread computes; `replaceFiles` finishes what it has begun to write.
 *
 * @returns the exit code
 */
export async function endedBySignal(work: (abort: AbortSignal) => Promise<void>): Promise<number> {
  await interruptible(work, () => undefined, { startsUnsaved: true })
  return 0
}

/**
 * Ends the process as the signal alone would. `process.exit` is not enough: it waits for what the engine's thread is computing. For
 * process 1 of a container there is nothing else.
 */
function endNow(signal: Signal): void {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  if (needsHandlers) process.exit(codes[signal])
}

export function exitCodeOf(signal: Signal): number {
  return codes[signal]
}
