import { exitCodes } from '../base/errors.ts'
import { visible } from '../base/escaping.ts'
import { runInChild } from './first-process.ts'

/**
 * Runs the command in this process, or, as process 1 of a container, in a child.
 *
 * @param onHandlers - called once others handle signals than those of `main.ts`
 * @returns the exit code
 */
export async function runProgram(onHandlers: () => void): Promise<number> {
  // A reader that has seen enough, as in `moiety recipes | head`, or a terminal that is gone, is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') return
    process.stderr.write(`error: the result cannot be written: ${visible(error.message)}\n  at stdout\n`)
    process.exit(exitCodes.disk)
  })
  // Nobody reads the progress any more, as when a terminal is gone or a log's disk is full: the work continues.
  process.stderr.on('error', () => undefined)
  const code = process.pid === 1 ? await runInChild(onHandlers) : undefined
  if (code !== undefined) return code
  const { runCommand } = await import('./commands.ts')
  return await runCommand(process.argv.slice(2))
}
