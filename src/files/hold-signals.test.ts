import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { compileForNode } from '../../test/compiled.ts'

const compiled = compileForNode('src/files/hold-signals.ts')
afterAll(() => rmSync(compiled.folder, { recursive: true, force: true }))

/** Output and exit of a program that holds SIGTERM while it works. */
function outcome(before: string): Promise<readonly [signal: string | null, stdout: string]> {
  const program = `
    import { holdSignals } from ${JSON.stringify(pathToFileURL(compiled.file).href)}
    import { writeSync } from 'node:fs'
    ${before}
    holdSignals(() => {
      process.kill(process.pid, 'SIGTERM')
      const until = Date.now() + 100
      while (Date.now() < until);
      writeSync(1, 'finished\\n')
    })
    setTimeout(() => writeSync(1, 'continued\\n'), 300)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program])
  let stdout = ''
  child.stdout.on('data', text => {
    stdout += text
  })
  return new Promise(resolve => child.on('close', (_, signal) => resolve([signal, stdout])))
}

it('a signal during the work ends the process after it', async () => {
  expect(await outcome('')).toEqual(['SIGTERM', 'finished\n'])
})

it('a signal with a listener is left to it', async () => {
  const listens = "process.on('SIGTERM', () => writeSync(1, 'heard\\n'))"
  expect(await outcome(listens)).toEqual([null, 'finished\nheard\ncontinued\n'])
})
