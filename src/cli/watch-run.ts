import { randomBytes } from 'node:crypto'
import { fail } from '../base/errors.ts'
import { visible } from '../base/escaping.ts'
import { watchedFolders } from '../watch/find-runs.ts'
import type { RunState } from '../watch/protocol.ts'
import { startWatching } from '../watch/server.ts'
import type { WatchFlags } from './flags.ts'
import { print, say } from './output.ts'
import { endedBySignal } from './signals.ts'
import { dashboardVariable } from './start-dashboard.ts'

/** `moiety watch`; it ends by a signal, or with the training that has started it. */
export async function runWatch(given: readonly string[], flags: WatchFlags): Promise<number> {
  const folders = await watchedFolders(given)
  const token = tokenOf(flags)
  const server = await startWatching({
    folders,
    host: flags.host,
    port: flags.port === undefined ? undefined : portOf(flags.port),
    token,
    allowedHosts: flags.allowHost,
    onError: error =>
      say(`warning: a bug in Moiety: ${error instanceof Error ? error.stack : String(error)}`),
  })
  const { address, host, port, watcher } = server
  if (flags.json)
    print(JSON.stringify({ address, host, port, folders: folders.map(({ path }) => path), pid: process.pid }))
  else print(address)
  const { runs } = watcher.overview
  const names = folders.map(({ path }) => visible(path)).join(', ')
  if (runs.length === 0)
    say(
      `no run in ${names} yet: waiting for one, such as of \`moiety train --out ${visible(folders[0]!.path)}/NAME\``,
    )
  else say(`${summary(runs.map(({ state }) => state))} in ${names}`)
  if (process.env[dashboardVariable] !== undefined && process.send !== undefined) {
    // Ctrl-C reaches this process too, but a training goes on until it has written its checkpoint.
    for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
    await new Promise(resolve => process.once('disconnect', resolve))
    await server.close()
    return 0
  }
  say('Ctrl-C ends it')
  return await endedBySignal(() => new Promise<never>(() => undefined))
}

function portOf(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port < 65_536) return port
  return fail({
    kind: 'usage',
    message: `expected a port from 0 to 65535, came ${text}`,
    where: '--port',
    help: '0 means any that is free',
  })
}

function tokenOf({ token }: WatchFlags): string | undefined {
  if (token === true) return process.env.MOIETY_WATCH_TOKEN ?? randomBytes(24).toString('base64url')
  return token ?? process.env.MOIETY_WATCH_TOKEN
}

/** `12 runs: 2 training, 10 finished` */
function summary(states: readonly RunState[]): string {
  const counts = new Map<RunState, number>()
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1)
  const each = Array.from(counts, ([state, count]) => `${count} ${state}`).join(', ')
  return `${states.length} ${states.length === 1 ? 'run' : 'runs'}: ${each}`
}
