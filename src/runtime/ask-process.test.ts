import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { askProcess } from './ask-process.ts'

const folder = mkdtempSync(join(tmpdir(), 'moiety-ask-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
function program(code: string): URL {
  const file = join(folder, `${count++}.mjs`)
  writeFileSync(file, code)
  return pathToFileURL(file)
}

const hang = 'setInterval(() => {}, 1000)'
const patience = 60_000

describe('a probe process', () => {
  it('replies with its first message, and need not exit', async () => {
    const file = program(`process.send({ words: process.argv.slice(2), pid: process.pid }); ${hang}`)
    const reply = await askProcess<{ words: string[]; pid: number }>(file, ['a', 'b'], { patience })
    if (!('answer' in reply)) return expect.fail(reply.failure)
    expect(reply.answer.words).toEqual(['a', 'b'])
    await expect.poll(() => isRunning(reply.answer.pid)).toBe(false)
  })

  it('is reported if it crashes, exits, hangs or is missing, without affecting the caller', async () => {
    const failure = async (file: URL, options = { patience }) => {
      const reply = await askProcess(file, [], options)
      return 'failure' in reply ? reply.failure : expect.fail('there was a reply')
    }
    // On Windows an abort is an exit code.
    expect(await failure(program('process.abort()'))).toMatch(/crashed \(SIGABRT\)|ended with code/)
    expect(await failure(program('process.exit(3)'))).toBe(
      'the process that tried it ended with code 3 and without a result',
    )
    expect(await failure(program(hang), { patience: 500 })).toBe('there was no result after 0.5 s')
    expect(await failure(new URL('nowhere.mjs', pathToFileURL(`${folder}/`)))).toContain('ended with code 1')
  })

  it('is killed by a signal, whose reason is thrown', async () => {
    const abort = new AbortController()
    const asked = askProcess(program(hang), [], { patience, signal: abort.signal })
    await pause(50)
    abort.abort('SIGTERM')
    await expect(asked).rejects.toBe('SIGTERM')
    await expect(askProcess(program(hang), [], { patience, signal: abort.signal })).rejects.toBe('SIGTERM')
  })
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
