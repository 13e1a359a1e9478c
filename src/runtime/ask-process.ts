import { fork } from 'node:child_process'

/** The outcome of a process: its message, or why there was none. */
export type ProcessReply<Answer> = { readonly answer: Answer } | { readonly failure: string }

/** Time limit and abort signal of a process. */
export interface AskOptions {
  /** Milliseconds. */
  readonly patience: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs a file in a separate process, without output, until it sends its first message. For native code that may crash or
 * hang, without affecting the caller. The process is killed when it has replied or its time is over.
 *
 * @throws the reason of `signal`
 */
export async function askProcess<Answer>(
  file: URL,
  words: readonly string[],
  { patience, signal }: AskOptions,
): Promise<ProcessReply<Answer>> {
  signal?.throwIfAborted()
  const child = fork(file, words, { stdio: 'ignore', execArgv: [] })
  let timer: NodeJS.Timeout | undefined
  let onAbort: (() => void) | undefined
  try {
    return await new Promise((resolve, reject) => {
      const failed = (failure: string): void => resolve({ failure })
      onAbort = () => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort)
      timer = setTimeout(() => failed(`there was no result after ${patience / 1000} s`), patience)
      child.once('message', (answer: Answer) => resolve({ answer }))
      child.once('error', error => failed(error.message))
      // A missing process (ENOENT) only emits an error.
      child.once('exit', (code, ended) =>
        failed(
          ended === null
            ? `the process that tried it ended with code ${code} and without a result`
            : `the process that tried it crashed (${ended})`,
        ),
      )
    })
  } finally {
    clearTimeout(timer)
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort)
    child.on('error', () => undefined)
    child.kill('SIGKILL')
    // A process that is stuck in a driver may survive even that; it is not awaited.
    if (child.connected) child.disconnect()
    child.unref()
  }
}
