import { CommanderError } from 'commander'
import { exitCodes, MoietyError } from '../base/errors.ts'
import { visible, visibleLines } from '../base/escaping.ts'
import { codeOf, systemFailure } from '../files/disk.ts'

/** How a command that failed ends: what stderr says, and the exit code. */
export interface Failure {
  readonly text: string
  readonly exitCode: number
}

/** The exit code of a bug in Moiety; no other failure has it. */
const bug = 1

/** What V8 says where an array is too large for it or for the machine; a length that is no number would be a bug. */
const outOfMemory = /allocation failed|Invalid (typed )?array( buffer)? length: [1-9]\d{8}/

/**
 * What the C++ library and ONNX Runtime say where memory runs out, the loader of shared libraries, and Node where a thread cannot have
 * its own.
 */
const nativeOutOfMemory =
  /bad_alloc|Failed to allocate memory|failed to map segment|[Cc]annot allocate memory|ERR_WORKER_OUT_OF_MEMORY|ERR_WORKER_INIT_FAILED/

/** @param debug - add the stack */
export function explainFailure(error: unknown, debug: boolean): Failure {
  // Commander has written its message already; asked for help or the version, it ends with code 0.
  if (error instanceof CommanderError)
    return { text: '', exitCode: error.exitCode === 0 ? 0 : exitCodes.usage }
  const stack = debug ? `${visibleLines(stackOf(error))}\n` : ''
  if (error instanceof MoietyError) {
    return { text: `${error.describe()}\n${stack}`, exitCode: error.exitCode }
  }
  const message = visible(error instanceof Error ? error.message : String(error))
  const isOutOfMemory =
    (error instanceof RangeError && outOfMemory.test(message)) ||
    (error instanceof Error && nativeOutOfMemory.test(`${codeOf(error) ?? ''} ${message}`))
  if (isOutOfMemory) {
    const text = `error: this needs more memory than there is (${message})\n  help: lower model.width, the number or width of experts, training.batch or data.limit\n`
    return { text: text + stack, exitCode: exitCodes.usage }
  }
  // Opened by a library, or while the program itself is loaded.
  const failure = systemFailure(error)
  if (failure !== undefined) {
    const place = error instanceof Error && 'path' in error ? `\n  at ${visible(String(error.path))}` : ''
    const text = `error: the system refused: ${failure.meaning} (${failure.code})${place}\n  help: ${failure.help}\n`
    return { text: text + stack, exitCode: exitCodes.disk }
  }
  const help = debug ? '' : '  help: set MOIETY_DEBUG=1 and run it again to see where, then report it\n'
  return { text: `error: ${message}\n  this is a bug in Moiety\n${help}${stack}`, exitCode: bug }
}

/** With the stacks of its causes: of an error in a component's code, theirs says where. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const own = error.stack ?? error.message
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`
}
