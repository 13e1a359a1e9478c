import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { power } from '../../test/programs.ts'
import { floats } from '../base/tensor.ts'
import { Engine } from './engine.ts'
import { Thread } from './thread.ts'

function script(code: string): URL {
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`)
}

/** A program whose run takes long enough to be interrupted. */
const extent = 1024
const long = power(8)
const a = floats([extent, extent], new Float32Array(extent * extent).fill(1 / extent))

const release = { kind: 'release', program: 0 } as const

describe('Thread', () => {
  it('rejects pending and later requests when its worker fails', async () => {
    const thread = new Thread(
      script(`import { parentPort } from 'node:worker_threads'
        parentPort.on('message', ({ id }) => { if (id === 1) throw new Error('broken') })`),
    )
    const asked = [thread.ask(release), thread.ask(release)]
    for (const promise of asked) await expect(promise).rejects.toThrow('broken')
    await expect(thread.ask(release)).rejects.toThrow('the engine is not running')
  })

  it('rejects pending requests when its worker exits', async () => {
    const thread = new Thread(
      script(`import { parentPort } from 'node:worker_threads'
        parentPort.on('message', () => process.exit(7))`),
    )
    await expect(thread.ask(release)).rejects.toThrow('its thread ended with code 7')
  })

  it('rejects a request that cannot be sent, and continues', async () => {
    const thread = new Thread(
      script(`import { parentPort } from 'node:worker_threads'
        parentPort.on('message', ({ id }) => parentPort.postMessage({ id, reply: { release: true } }))`),
    )
    const buffer = new ArrayBuffer(8)
    await expect(thread.ask(release, [buffer, buffer])).rejects.toThrow('could not be sent')
    expect(thread.busy).toBe(false)
    expect(await thread.ask(release)).toBe(true)
    await thread.end('it was stopped')
  })
})

describe('An engine that is stopped', () => {
  it('rejects what runs and what comes after, and may be stopped again', async () => {
    const engine = await Engine.start()
    const loaded = await engine.load(long)
    const running = [1, 2, 3].map(() => loaded.run(new Map([['a', a]])))
    await new Promise(resolve => setTimeout(resolve, 20))
    const stopped = engine.stop()
    for (const promise of running) await expect(promise).rejects.toThrow('it was stopped')
    await stopped
    await engine.stop()
    await expect(engine.readState()).rejects.toThrow('the engine is not running')
  })
})

describe('A process with an engine', () => {
  const run = promisify(execFile)
  const runtime = new URL('../../dist/runtime/index.js', import.meta.url).href
  const support = `import { Engine } from ${JSON.stringify(runtime)}
    const engine = await Engine.start()
    const garbage = { model: Uint8Array.of(1, 2, 3), inputs: [], outputs: [] };`

  /** Runs a script with an engine in another process. */
  async function outcome(code: string): Promise<{ stdout: string; stderr: string; exitCode: unknown }> {
    try {
      return { ...(await run(process.execPath, ['--input-type=module', '-e', support + code])), exitCode: 0 }
    } catch (error) {
      if (error instanceof Error && 'stdout' in error && 'stderr' in error && 'code' in error) {
        return { stdout: String(error.stdout), stderr: String(error.stderr), exitCode: error.code }
      }
      throw error
    }
  }

  it('exits when the engine was not stopped', async () => {
    expect(await outcome(`await engine.readState(); console.log('end')`)).toMatchObject({ stdout: 'end\n' })
  })

  it('waits for a pending reply', async () => {
    const { stdout } = await outcome(`engine.readState().then(() => console.log('answered'))`)
    expect(stdout).toBe('answered\n')
  })

  it('ends with its own exit code while the engine computes', async () => {
    const model = [...long.model]
    const code = `
      const program = { ...${JSON.stringify({ ...long, model })}, model: Uint8Array.from(${JSON.stringify(model)}) }
      const loaded = await engine.load(program)
      const data = new Float32Array(${extent} * ${extent})
      const a = { dtype: 'float32', shape: [${extent}, ${extent}], data }
      for (let i = 0; i < 3; i++) loaded.run(new Map([['a', a]])).catch(() => {})
      setTimeout(() => process.exit(4), 20)`
    expect(await outcome(code)).toEqual({ stdout: '', stderr: '', exitCode: 4 })
  })

  it('writes nothing of the engine to the terminal, also when it fails', async () => {
    const code = `await engine.load(garbage).catch(error => console.log(error.name)); await engine.stop()`
    expect(await outcome(code)).toEqual({ stdout: 'MoietyError\n', stderr: '', exitCode: 0 })
  })
})
