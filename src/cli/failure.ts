import { CommanderError } from 'commander'
import { exitCodes, MoietyError } from '../base/errors.ts'
import { visible, visibleLines } from '../base/escaping.ts'

/** How a command that failed ends: what stderr says, and the exit code. */
export interface Failure {
  readonly text: string
  readonly exitCode: number
}

/** The exit code of a bug in Moiety; no other failure has it. */
const bug = 1

/** What V8 says where an array is too large for it or for the machine; a length that is no number would be a bug. */
const outOfMemory = /allocation failed|Invalid (typed )?array( buffer)? length: [1-9]\d{8}/

/** @param debug - add the stack */
export function explainFailure(error: unknown, debug: boolean): Failure {
  // Commander has written its message already; asked for help or the version, it ends with code 0.
  if (error instanceof CommanderError)
    return { text: '', exitCode: error.exitCode === 0 ? 0 : exitCodes.usage }
  const stack = debug ? `${visibleLines(String(error instanceof Error ? error.stack : error))}\n` : ''
  if (error instanceof MoietyError) {
    return { text: `${error.describe()}\n${stack}`, exitCode: error.exitCode }
  }
  const message = visible(error instanceof Error ? error.message : String(error))
  if (error instanceof RangeError && outOfMemory.test(message)) {
    const text = `error: this needs more memory than there is (${message})\n  help: lower model.width, the number or width of experts, training.batch or data.limit\n`
    return { text: text + stack, exitCode: exitCodes.usage }
  }
  const help = debug ? '' : '  help: set MOIETY_DEBUG=1 and run it again to see where, then report it\n'
  return { text: `error: ${message}\n  this is a bug in Moiety\n${help}${stack}`, exitCode: bug }
}
