import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** A real Redis, started by tests on loopback, with its files in a folder of theirs. */

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0

export interface TestRedis {
  readonly port: number
  /** Ends it as a power cut would, and begins it again with what it had written. */
  restart(): Promise<void>
  stop(): Promise<void>
  /** Ends it as a power cut would. */
  kill(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** @param options - more of redis-server's, such as `--requirepass x` */
export async function startRedis(
  folder: string,
  options: (port: number) => string[] = () => [],
): Promise<TestRedis> {
  let port = await freePort()
  let child: ChildProcess
  const begin = async (): Promise<void> => {
    const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
    words.push('--save', '', '--appendonly', 'yes', '--appendfsync', 'always', ...options(port))
    child = spawn('redis-server', words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    while (!said.includes('Ready to accept connections')) {
      if (child.exitCode !== null) throw new Error(`redis-server ended: ${said}`)
      await pause(5)
    }
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  for (;;) {
    try {
      await begin()
      break
    } catch (cause) {
      // Another process may have taken the port since.
      if (!String(cause).includes('Address already in use')) throw cause
      port = await freePort()
    }
  }
  return {
    port,
    restart: async () => {
      await end('SIGKILL')
      await begin()
    },
    stop: async () => await end('SIGTERM'),
    kill: async () => await end('SIGKILL'),
  }
}
