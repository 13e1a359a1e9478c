#!/usr/bin/env node
import { exitCodes } from '../base/errors.ts'
import { visible } from '../base/escaping.ts'
import { runInChild } from './first-process.ts'

/** The command `moiety`, as a process. */
// A reader that has seen enough, as in `moiety recipes | head`, or a terminal that is gone, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE' || error.code === 'EIO') return
  process.stderr.write(`error: the result cannot be written: ${visible(error.message)}\n  at stdout\n`)
  process.exit(exitCodes.disk)
})
// Nobody reads the progress any more, as when a terminal is gone or a log's disk is full: the work goes on.
process.stderr.on('error', () => undefined)

async function run(): Promise<number> {
  const code = process.pid === 1 ? await runInChild() : undefined
  if (code !== undefined) return code
  const { runCommand } = await import('./commands.ts')
  return await runCommand(process.argv.slice(2))
}

process.exitCode = await run()
