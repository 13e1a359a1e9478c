import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** What a terminal or a container's runtime sends to process 1, and the command has to hear. */
const forwarded = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGWINCH'] as const

/**
 * Runs this program again in a child process, passes signals on to it, and returns its exit code; 128 + the signal's number where one
 * ended it. For process 1 of a container: there the system's default action of a signal does not apply, so nothing could end the
 * process while its main thread or the engine computes. This process only waits, so it always hears them.
 *
 * The child leads a process group of its own: a Ctrl-C reaches this process alone, which passes it on once.
 *
 * @param onHandlers - called once signals are passed on
 * @returns undefined where no process can be started
 */
export function runInChild(onHandlers: () => void): Promise<number | undefined> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      stdio: 'inherit',
      detached: true,
    })
    const listeners = forwarded.map(signal => ({ signal, listen: () => child.kill(signal) }))
    for (const { signal, listen } of listeners) process.on(signal, listen)
    onHandlers()
    child.on('error', () => {
      if (child.pid !== undefined) return
      for (const { signal, listen } of listeners) process.off(signal, listen)
      resolve(undefined)
    })
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}
