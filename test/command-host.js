import { runCommand } from '../dist/cli/commands.js'

/*
 * Runs commands one after the other in this process, for tests: most of what a short command takes is its beginning. What is
 * written to stdout and stderr meanwhile is the command's.
 */
const written = { stdout: '', stderr: '' }
for (const name of /** @type {const} */ (['stdout', 'stderr'])) {
  process[name].write = (chunk, ...rest) => {
    written[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    const told = rest.find(one => typeof one === 'function')
    if (told !== undefined) queueMicrotask(() => told())
    return true
  }
}

process.on('message', async words => {
  written.stdout = ''
  written.stderr = ''
  process.exitCode = undefined
  const code = await runCommand(/** @type {string[]} */ (words))
  process.send?.({ code, signal: null, ...written })
})
process.on('disconnect', () => process.exit())
