import { fork } from 'node:child_process'

/** What came of a process: what it sent, or how it failed to send anything. */
export type ProcessReply<Answer> = { readonly answer: Answer } | { readonly failure: string }

/** How long a process may take, and what ends it before. */
export interface AskOptions {
  /** Milliseconds. */
  readonly patience: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs a file in a process of its own, without output, until it sends its first message. For native code that may end its process or
 * never return: neither reaches the caller. The process is killed as soon as it has answered, and when its time is over.
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
      // Of a process that is not to be found (ENOENT) there is an error alone.
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
    // A process that waits inside a driver may outlive even that; nobody waits for it.
    if (child.connected) child.disconnect()
    child.unref()
  }
}
